//! `landfall-server`: the sync protocol over one SQLite file, and an app's static files beside it.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::serve::ListenerExt;
use clap::Parser;
use landfall_core::schema::Schema;
use landfall_server::decisions::port::{Store, Transaction};
use landfall_server::decisions::{RETENTION_MS, Rules};
use landfall_server::demo;
use landfall_server::http::{Access, REQUEST_TIMEOUT, Service, app};
use landfall_server::live::Live;
use landfall_server::store::sqlite::SqliteStore;
use tokio::net::TcpListener;

/// Landfall's sync server.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The database: one SQLite file, made if it is absent
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// The schema document that page and worker use; without it every JSON object is taken
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Bearer tokens: {"<token>": {"principal", "tenant", "role"}}, role `editor` or `reader`
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Take requests without a token, as whom they say they are. For development
    #[arg(long)]
    open: bool,
    /// Serve this directory beside the API
    #[arg(long = "static", value_name = "DIR")]
    static_files: Option<PathBuf>,
    /// Fill an empty database with the demo's projects; needs a schema with its tables
    #[arg(long, requires = "schema")]
    demo: bool,
    /// Begin a new epoch: once, after the file was restored from a backup
    #[arg(long)]
    new_epoch: bool,
}

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landfall-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn now_ms() -> u64 {
    // Before 1970 the clock is wrong anyway, and after the year 584,000,000 the number ends.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let access = match &arguments.tokens {
        Some(path) => Access::tokens(&read(path)?, arguments.open)?,
        None if arguments.open => Access::open(),
        None => return Err("nobody could sign in: give --tokens FILE, or --open for development".into()),
    };
    let schema = match &arguments.schema {
        None => None,
        Some(path) => {
            let document = serde_json::from_str(&read(path)?).map_err(|error| about(path, &error))?;
            Some(Schema::parse(&document).map_err(|error| about(path, &error))?)
        }
    };
    if let Some(directory) = &arguments.static_files
        && !directory.is_dir()
    {
        return Err(format!("{} is no directory", directory.display()).into());
    }
    let store = SqliteStore::open(&arguments.data, schema.as_ref())
        .await
        .map_err(|error| about(&arguments.data, &error))?;
    if arguments.new_epoch {
        store.renew_epoch().await?;
    }
    purge(&store).await?;
    if let (true, Some(schema)) = (arguments.demo, &schema) {
        demo::fill(&store, schema, now_ms()).await?;
    }
    let live = Live::default();
    let service = Service {
        store: store.clone(),
        rules: Rules::new(schema),
        access,
        live: live.clone(),
        clock: now_ms,
        timeout: REQUEST_TIMEOUT,
    };
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("cannot listen at {}: {error}", arguments.listen))?;
    println!("landfall-server listening on http://{}", listener.local_addr()?);
    // An answer is small and waited for: it must not be held back to be sent with a next one that never comes.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app(service, arguments.static_files.as_deref()))
        .with_graceful_shutdown(async move {
            asked_to_stop().await;
            live.stop();
        })
        .await?;
    store.close().await;
    Ok(())
}

/// Forgets what is older than the retention, at every start.
async fn purge(store: &SqliteStore) -> Result<(), Failure> {
    let mut transaction = store.begin().await?;
    transaction.purge(now_ms().saturating_sub(RETENTION_MS)).await?;
    Ok(transaction.commit().await?)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| about(path, &error))
}

fn about(path: &Path, error: &dyn Error) -> Failure {
    format!("{}: {error}", path.display()).into()
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Without a handler the signal ends the process, which is what was asked for.
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
