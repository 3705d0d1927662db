//! Pages and cursors.

use landfall_core::protocol::{DeletionReason, Download, Page};
use serde_json::{Value, json};

use super::{World, create, delete, over_every_store, temp, update};
use crate::decisions::port::Store;
use crate::decisions::{Code, Refusal, download};

over_every_store![
    pages_follow_each_other,
    each_record_once_in_its_newest_form,
    deletions_say_what_they_were,
    a_cursor_passes_other_tables,
    cursors_are_bound,
    a_purge_expires_what_it_must,
    by_time_instead_of_a_cursor,
    odd_requests,
];

impl<S: Store> World<S> {
    async fn ask(&self, request: Download) -> Result<Page<Value>, Refusal> {
        download(&self.store, &self.rules, &self.caller, self.now, request).await
    }

    pub(super) async fn pull_tables(&self, tables: &[&str]) -> Page<Value> {
        self.ask(asking(tables)).await.unwrap()
    }

    async fn projects(&self, numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
        let mut ids = Vec::new();
        for n in numbers {
            let body =
                create(&format!("p{n}"), "projects", &temp(n, "projects"), json!({ "name": n.to_string() }));
            ids.push(self.made(body).await);
        }
        ids
    }
}

fn asking(tables: &[&str]) -> Download {
    Download {
        protocol: 1,
        principal: None,
        cursor: None,
        entity_types: tables.iter().map(|&table| table.to_owned()).collect(),
        scope: None,
        limit: None,
        last_sync: None,
    }
}

fn ids(page: &Page<Value>) -> Vec<&str> {
    page.entities.iter().map(|row| row.id.as_str()).collect()
}

fn expired(result: Result<Page<Value>, Refusal>) {
    assert_eq!(result.unwrap_err().code(), Code::CursorExpired);
}

async fn pages_follow_each_other<S: Store>(store: S) {
    let world = World::new(store);
    world.projects(1..=5).await;
    let mut cursor = None;
    let mut seen = Vec::new();
    for (size, more) in [(2, true), (2, true), (1, false), (0, false)] {
        let page = world.try_pull(cursor, 2).await.unwrap();
        assert_eq!((page.entities.len(), page.has_more), (size, more));
        assert_eq!((page.server_time, page.horizon), (world.now, 0));
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        cursor = Some(page.cursor);
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
}

async fn each_record_once_in_its_newest_form<S: Store>(store: S) {
    let world = World::new(store);
    let made = world.projects(1..=4).await;
    let first = world.try_pull(None, 2).await.unwrap();
    // What was delivered changes, and what was not: both come, once each, behind the cursor.
    for (key, id) in [("u1", &made[0]), ("u2", &made[3]), ("u3", &made[3])] {
        let version = if key == "u3" { 2 } else { 1 };
        world.made(update(key, "projects", id, version, json!({ "progress": version }))).await;
    }
    let rest = world.pull(Some(first.cursor)).await;
    assert_eq!(ids(&rest), [&made[2], &made[0], &made[3]]);
    assert_eq!((rest.entities[2].version, &rest.entities[2].data["progress"]), (3, &json!(2)));
}

async fn deletions_say_what_they_were<S: Store>(store: S) {
    let mut world = World::new(store);
    let made = world.projects(1..=1).await;
    world.now += 7;
    world.made(delete("d", "projects", &made[0], 1)).await;
    let page = world.pull(None).await;
    assert_eq!(page.entities, []);
    let row = &page.deletions[0];
    assert_eq!((row.table.as_str(), row.id.as_str(), row.version), ("projects", made[0].as_str(), 2));
    assert_eq!((row.deleted_at, row.reason), (world.now, DeletionReason::Deleted));
    assert_eq!(row.created_as, Some(temp(1, "projects")));
}

async fn a_cursor_passes_other_tables<S: Store>(store: S) {
    let mut world = World::new(store);
    let page = world.pull_tables(&["readings"]).await;
    let made = world.projects(1..=2).await;
    let mut request = asking(&["readings"]);
    request.cursor = Some(page.cursor.clone());
    let later = world.ask(request.clone()).await.unwrap();
    assert_ne!(later.cursor, page.cursor);
    // A purge in a table that is not its own does not expire the cursor that has passed it.
    world.made(delete("d", "projects", &made[0], 1)).await;
    request.cursor = Some(later.cursor);
    let last = world.ask(request.clone()).await.unwrap();
    world.now += 10;
    world.purge(world.now).await;
    request.cursor = Some(last.cursor);
    assert!(world.ask(request).await.is_ok());
}

async fn cursors_are_bound<S: Store>(store: S) {
    let mut world = World::new(store);
    world.projects(1..=3).await;
    let mut request = asking(&["tasks", "projects", "tasks"]);
    request.limit = Some(2);
    request.principal = Some("ana".into());
    let page = world.ask(request.clone()).await.unwrap();
    request.cursor = Some(page.cursor.clone());
    // The order and number of mentions are not part of a set.
    request.entity_types = vec!["projects".into(), "tasks".into()];
    assert_eq!(world.ask(request.clone()).await.unwrap().entities.len(), 1);

    let mut other = request.clone();
    other.entity_types.push("phases".into());
    expired(world.ask(other).await);
    let mut other = request.clone();
    other.principal = Some("ben".into());
    assert_eq!(world.ask(other).await.unwrap_err().code(), Code::PrincipalMismatch);
    let ahead = page.cursor.rsplit_once('.').unwrap().0.to_owned() + ".ffff";
    let (version, rest) = page.cursor.split_once('.').unwrap();
    let another_epoch = format!("{version}.00{rest}");
    for cursor in ["", "1", "1.2.3.4.5.6", "nonsense", &ahead, &another_epoch] {
        request.cursor = Some(cursor.to_owned());
        expired(world.ask(request.clone()).await);
    }
    world.caller.tenant = "other".into();
    request.cursor = Some(page.cursor);
    expired(world.ask(request).await);
}

async fn a_purge_expires_what_it_must<S: Store>(store: S) {
    let mut world = World::new(store);
    let made = world.projects(1..=3).await;
    let before_deletion = world.pull(None).await.cursor;
    world.made(delete("d", "projects", &made[1], 1)).await;
    // A full pull under way, begun after the deletion, owes nobody that tombstone.
    let under_way = world.try_pull(None, 1).await.unwrap();
    let after_deletion = world.pull(None).await.cursor;
    world.now += 10;
    world.purge(world.now).await;
    expired(world.try_pull(Some(before_deletion), 9).await);
    assert_eq!(ids(&world.pull(Some(under_way.cursor)).await), [&made[2]]);
    let page = world.pull(Some(after_deletion)).await;
    assert_eq!((page.entities.len(), page.deletions.len(), page.horizon), (0, 0, world.now));
    let full = world.pull(None).await;
    assert_eq!((full.entities.len(), full.deletions.len()), (2, 0));
}

async fn by_time_instead_of_a_cursor<S: Store>(store: S) {
    let mut world = World::new(store);
    world.projects(1..=2).await;
    world.now += 3_600_000;
    let time = world.now;
    world.projects(3..=3).await;
    let mut request = asking(&["projects"]);
    request.last_sync = Some(time);
    let page = world.ask(request.clone()).await.unwrap();
    assert_eq!(ids(&page), ["3"]);
    // What was stamped just before that answer but committed after it is not lost.
    request.last_sync = Some(time + 30_000);
    assert_eq!(ids(&world.ask(request.clone()).await.unwrap()), ["3"]);
    request.last_sync = Some(time + 3_600_000);
    assert_eq!(ids(&world.ask(request.clone()).await.unwrap()), Vec::<&str>::new());
    let mut next = asking(&["projects"]);
    next.cursor = Some(page.cursor);
    assert_eq!(world.ask(next).await.unwrap().entities, []);
    world.purge(time).await;
    request.last_sync = Some(time - 1);
    expired(world.ask(request).await);
}

async fn odd_requests<S: Store>(store: S) {
    let mut world = World::new(store);
    world.projects(1..=3).await;
    assert_eq!(world.ask(asking(&[])).await.unwrap_err().code(), Code::MalformedBody);
    assert_eq!(world.ask(asking(&["tools"])).await.unwrap_err().code(), Code::UnknownTable);
    let mut request = asking(&["projects"]);
    request.protocol = 2;
    assert_eq!(world.ask(request).await.unwrap_err().code(), Code::ProtocolUnsupported);
    world.rules.page_rows_max = 2;
    for (limit, rows) in [(None, 2), (Some(0), 1), (Some(9), 2)] {
        let mut request = asking(&["projects"]);
        request.limit = limit;
        assert_eq!(world.ask(request).await.unwrap().entities.len(), rows);
    }
}
