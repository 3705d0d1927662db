//! Any history of a server, pulled with any cuts, crashes and page sizes: a device holds exactly what is in its scope.

use landfall_core::ports::Random;
use serde_json::json;

use crate::world::{DAY, Device, Dice, Fate, Server, TABLES, schema, schema_with};

async fn step(server: &Server, dice: &Dice) {
    let all = server.table().await;
    let ids = |table: &str| -> Vec<String> {
        all.keys().filter(|(of, _)| of == table).map(|(_, id)| id.clone()).collect()
    };
    let (projects, steps, tasks) = (ids("projects"), ids("steps"), ids("tasks"));
    let owner = dice.pick(&["ana", "ben"]);
    let word = dice.bits() % 1_000;
    match dice.roll(9) {
        0 | 1 => drop(server.project(owner).await),
        2 if !projects.is_empty() => {
            server.set("projects", &dice.pick(&projects), json!({ "owner": owner })).await;
        }
        3 if !steps.is_empty() => {
            server.set("steps", &dice.pick(&steps), json!({ "project_id": dice.pick(&projects) })).await;
        }
        4 if !tasks.is_empty() => {
            server.set("tasks", &dice.pick(&tasks), json!({ "step_id": dice.pick(&steps) })).await;
        }
        5 if !tasks.is_empty() => {
            server.set("tasks", &dice.pick(&tasks), json!({ "title": word.to_string() })).await;
        }
        6 => {
            let table = dice.pick(&TABLES);
            let of = ids(table);
            if !of.is_empty() && (table != "projects" || dice.roll(4) == 0) {
                server.remove(table, &dice.pick(&of)).await;
            }
        }
        _ => drop(server.make("tools", json!({ "name": word.to_string() })).await),
    }
}

async fn history(seed: u64) {
    let dice = Dice::new(seed);
    let server = Server::new();
    let sets = json!({ "tools": { "everyMs": DAY }, "projects": { "everyMs": 5_000 }, "steps": { "everyMs": 90_000 } });
    let devices = [
        Device::new(&server, "ana", schema(), Some("mine")).await,
        Device::new(&server, "ana", schema_with(&sets), Some("mine")).await,
        Device::new(&server, "ana", schema_with(&sets), None).await,
    ];
    let mut backup = None;
    for turn in 0..60 {
        server.page_rows(1 + u32::try_from(dice.roll(6)).unwrap());
        for _ in 0..dice.roll(4) {
            step(&server, &dice).await;
        }
        match dice.roll(30) {
            0 => {
                server.now.set(server.now.get() + 91 * DAY);
                server.purge().await;
            }
            1 => backup = Some(server.backup().await),
            2 => {
                if let Some(backup) = backup.take() {
                    server.restore(&backup, &format!("epoch-{turn}")).await;
                }
            }
            _ => {}
        }
        let device = &devices[usize::try_from(dice.roll(3)).unwrap()];
        let fates: Vec<Fate> = (0..dice.roll(6))
            .map(|_| dice.pick(&[Fate::Through, Fate::Through, Fate::LostOnTheWay, Fate::AnswerLost]))
            .collect();
        device.fated(&fates);
        match dice.roll(4) {
            0 => drop(device.engine().pass().await),
            1 => {
                device.pass().await;
                device.reopen().await;
            }
            2 => drop(device.engine().compact().await),
            _ => drop(device.pass().await),
        }
        device.fated(&[]);
        if dice.roll(5) == 0 {
            device.sync().await;
            let expected =
                if device.scope.get().is_some() { server.mine("ana").await } else { server.table().await };
            assert_eq!(device.held(), expected, "seed {seed}, turn {turn}");
        }
    }
    for device in &devices {
        device.sync().await;
        let expected =
            if device.scope.get().is_some() { server.mine("ana").await } else { server.table().await };
        assert_eq!(device.held(), expected, "seed {seed}");
        assert!(!device.engine().state().export().contains("seen "), "seed {seed}");
    }
}

#[tokio::test]
async fn any_history_with_any_cuts_in_any_pages() {
    for seed in 0..25 {
        Box::pin(history(seed)).await;
    }
}
