//! The suites: what each checks, what it needs, how it runs and how it is counted. The quick ones come first.

use std::time::Duration;

use super::counts::Runner;
use crate::budgets;
use crate::layout;
use crate::process::Step;
use crate::provide::{browsers, node, rust};
use crate::simulate;
use crate::workshop::Need;

pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) needs: &'static [Need],
    pub(super) time_limit: Duration,
    pub(super) step: fn() -> Step,
    pub(super) runner: Runner,
}

const MINUTE: u64 = 60;
/// For what compiles first: a cold build on two cores takes minutes.
const COMPILING: Duration = Duration::from_secs(20 * MINUTE);
const RUNNING: Duration = Duration::from_secs(12 * MINUTE);

const WASM_TARGET: &str = "wasm32-unknown-unknown";

pub(super) const SUITES: &[Suite] = &[
    Suite {
        name: "rustfmt",
        about: "rustfmt on every crate",
        needs: &[Need::Rustfmt],
        time_limit: RUNNING,
        step: || Step::new("rustfmt", "cargo").args(["fmt", "--all", "--check"]),
        runner: Runner::Check,
    },
    Suite {
        name: "prettier",
        about: "Prettier on TypeScript, JSON, CSS and HTML",
        needs: &[Need::NpmPackages],
        time_limit: RUNNING,
        step: || Step::new("prettier", "npm").args(["run", "lint"]),
        runner: Runner::Check,
    },
    Suite {
        name: "clippy",
        about: "clippy on the native crates",
        needs: &[Need::Clippy],
        time_limit: COMPILING,
        step: || clippy("clippy", &["--workspace", "--exclude", "landfall"]),
        runner: Runner::Check,
    },
    Suite {
        name: "clippy-wasm",
        about: "clippy on the wasm crate, for wasm32",
        needs: &[Need::Clippy, Need::WasmTarget],
        time_limit: COMPILING,
        step: || clippy("clippy-wasm", &["--package", "landfall", "--target", WASM_TARGET]),
        runner: Runner::Check,
    },
    Suite {
        name: "native",
        about: "the native crates' tests: core, server, xtask",
        needs: &[],
        time_limit: COMPILING,
        step: || {
            let arguments = ["test", "--workspace", "--exclude", "landfall", "--no-fail-fast"];
            Step::new("native", "cargo").args(arguments)
        },
        runner: Runner::Cargo,
    },
    Suite {
        name: "benches",
        about: "each benchmark of the core, once and untimed: it still does what it measures",
        needs: &[],
        time_limit: COMPILING,
        step: || Step::new("benches", "cargo").args(["test", "--package", "landfall-core", "--benches"]),
        runner: Runner::Check,
    },
    Suite {
        name: "simulation",
        about: "kept schedules, then five minutes of new ones on all cores",
        needs: &[Need::Simulator],
        time_limit: COMPILING,
        step: simulate::suite,
        runner: Runner::Cargo,
    },
    Suite {
        name: "types",
        about: "TypeScript, strict, in every npm workspace",
        needs: &[Need::NpmPackages, Need::Pkg],
        time_limit: RUNNING,
        step: || Step::new("types", "npm").args(["run", "check", "--workspaces", "--if-present"]),
        runner: Runner::NpmChecks,
    },
    Suite {
        name: "package",
        about: "the npm package: its own tests, its entries and what it packs",
        needs: &[Need::Pkg],
        time_limit: RUNNING,
        step: || node::script("package", "landfall", "test"),
        runner: Runner::Node,
    },
    Suite {
        name: "chromium",
        about: "the wasm crate's tests in Chromium: window, workers, service worker",
        needs: &[Need::WasmTarget, Need::WasmPack, Need::WasmBindgen, Need::Chromium],
        time_limit: COMPILING,
        step: || {
            let driver = browsers::program(&["chromedriver"]);
            browser_tests(Step::new("chromium", "wasm-pack"))
                .args(["--chrome", "--chromedriver"])
                .args([driver])
        },
        runner: Runner::Cargo,
    },
    Suite {
        name: "firefox",
        about: "the same in Firefox",
        needs: &[Need::WasmTarget, Need::WasmPack, Need::WasmBindgen, Need::Firefox],
        time_limit: COMPILING,
        step: || {
            let driver = layout::tool("geckodriver");
            browser_tests(Step::new("firefox", "wasm-pack"))
                .args(["--firefox", "--geckodriver"])
                .args([driver])
        },
        runner: Runner::Cargo,
    },
    Suite {
        name: "webkit",
        about: "the same in WebKitGTK",
        needs: &[Need::WasmTarget, Need::WasmPack, Need::WasmBindgen, Need::WebKit],
        time_limit: COMPILING,
        step: || {
            // wasm-pack knows WebKit as Safari; WebKitGTK's driver speaks the same protocol. WebKitGTK has no
            // headless mode, hence the display.
            let driver = browsers::program(&["WebKitWebDriver"]);
            let step = Step::new("webkit", "xvfb-run").args(["-a", "wasm-pack"]);
            browser_tests(step).args(["--safari", "--safaridriver"]).args([driver])
        },
        runner: Runner::Cargo,
    },
    Suite {
        name: "budgets",
        about: "what operations cost, as counts, against bench/budgets.json",
        needs: budgets::NEEDS,
        time_limit: budgets::TIME_LIMIT,
        step: budgets::suite,
        runner: Runner::Node,
    },
    Suite {
        name: "e2e",
        about: "the demo and the real server in real browsers, offline and back",
        needs: &[Need::Www, Need::Server, Need::Chromium, Need::Firefox],
        time_limit: COMPILING,
        step: || {
            let chromium = browsers::program(&["chromium", "chromium-browser", "google-chrome"]);
            node::script("e2e", "landfall-tests", "test")
                .env("LANDFALL_CHROMIUM", chromium)
                .env("LANDFALL_FIREFOX", browsers::program(&["firefox", "firefox-esr"]))
                .env("LANDFALL_GECKODRIVER", layout::tool("geckodriver"))
        },
        runner: Runner::Node,
    },
];

fn browser_tests(step: Step) -> Step {
    step.args(["test", "--mode", "no-install", "--headless"])
        // Seconds for one test binary; the runner's own 20 do not suffice for thousands of awaited commits.
        .env("WASM_BINDGEN_TEST_TIMEOUT", "180")
}

fn clippy(name: &'static str, packages: &[&str]) -> Step {
    let step = Step::new(name, "cargo").args(["clippy"]).args(packages).args(["--all-targets"]);
    if rust::is_oldest_supported() { step.args(["--", "-D", "warnings"]) } else { step }
}
