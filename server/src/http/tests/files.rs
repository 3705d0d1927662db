//! The app's own files.

use std::fs;

use super::*;

async fn site() -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join("site").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    file("index.html", b"<h1>Landfall</h1>");
    file("sw.js", b"self.skipWaiting()");
    file("manifest.webmanifest", b"{}");
    file("assets/app-Ab12Cd34.js", "let a = 1;\n".repeat(500).as_bytes());
    file("assets/app-Ab12Cd34.js.br", b"brotli, for the test");
    file("assets/landfall_bg-Ef56Gh78.wasm", b"\0asm");
    fs::write(directory.path().join("secret.txt"), "not yours").unwrap();
    let server = Server::with(Access::open(), REQUEST_TIMEOUT, Some(&directory.path().join("site"))).await;
    (server, directory)
}

async fn get(server: &Server, path: &str) -> Answer {
    server.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn types_and_lifetimes() {
    let (server, _directory) = site().await;
    for (path, content_type, policy) in [
        ("/", "text/html", "no-cache"),
        ("/index.html", "text/html", "no-cache"),
        ("/sw.js", "text/javascript", "no-cache"),
        ("/manifest.webmanifest", "application/manifest+json", "no-cache"),
        ("/assets/app-Ab12Cd34.js", "text/javascript", "public, max-age=31536000, immutable"),
        ("/assets/landfall_bg-Ef56Gh78.wasm", "application/wasm", "public, max-age=31536000, immutable"),
    ] {
        let answer = get(&server, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, content_type), "{path}");
        assert_eq!(answer.header("cache-control"), policy, "{path}");
        // A file is no answer of the protocol.
        assert_eq!(answer.header(PROTOCOL_HEADER), "");
    }
}

#[tokio::test]
async fn what_is_not_there() {
    let (server, directory) = site().await;
    assert!(directory.path().join("secret.txt").exists());
    for path in [
        "/absent.html",
        "/assets/absent-12345678.js",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
    ] {
        let answer = get(&server, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (404, "no-cache"), "{path}");
    }
    // The API keeps its own words beside the files.
    assert_eq!(get(&server, "/api/absent").await.problem(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn compressed_forms() {
    let (server, _directory) = site().await;
    let ask = async |encoding: &str| {
        let request = Request::get("/assets/app-Ab12Cd34.js").header("accept-encoding", encoding);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    let brotli = ask("gzip, br").await;
    assert_eq!((brotli.header("content-encoding"), brotli.header("content-type")), ("br", "text/javascript"));
    assert_eq!(brotli.body, b"brotli, for the test");
    let zipped = ask("gzip").await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.body.len() < 500);
}

#[tokio::test]
async fn unchanged_files_are_not_sent_again() {
    let (server, _directory) = site().await;
    let first = get(&server, "/sw.js").await;
    let request = Request::get("/sw.js").header("if-modified-since", first.header("last-modified"));
    let again = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}
