//! How many tests passed and failed, read from what each kind of runner prints.

use std::ops::Add;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// What ran the tests, which decides how they are counted.
#[derive(Clone, Copy)]
pub(super) enum Runner {
    /// A check that has only its exit code: one test.
    Check,
    /// npm's script `check` in several workspaces: one test each.
    NpmChecks,
    /// `cargo test`, or wasm-bindgen's runner under wasm-pack.
    Cargo,
    /// `node --test`.
    Node,
}

impl Runner {
    /// Counts one run. A run that did not succeed has failed at least once, whatever it got to count (a compile error, a
    /// crash, a time-out); one that succeeded without running any test has failed too.
    pub(super) fn count(self, text: &str, success: bool) -> Counts {
        let counted = match self {
            Runner::Check => Counts { passed: 1, failed: 0 },
            Runner::NpmChecks => npm_checks(text),
            Runner::Cargo => cargo(text),
            Runner::Node => node(text),
        };
        match (self, success) {
            // These count what was begun: of those, the exit code says that one has failed.
            (Runner::Check | Runner::NpmChecks, false) => {
                Counts { passed: counted.passed.saturating_sub(1), failed: 1 }
            }
            (_, false) => Counts { failed: counted.failed.max(1), ..counted },
            (_, true) if counted == Counts::default() => Counts { passed: 0, failed: 1 },
            (_, true) => counted,
        }
    }
}

/// `cargo test` and wasm-bindgen's runner: `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once per test binary.
fn cargo(text: &str) -> Counts {
    let results = text.lines().filter_map(|line| line.trim_start().strip_prefix("test result: "));
    results.fold(Counts::default(), |sum, result| {
        // The verdict ends at the first period; the counts follow, each before its word.
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        let number = |word: &str| {
            let part = counts.split(';').find_map(|part| part.trim().strip_suffix(word))?;
            part.trim().parse().ok()
        };
        sum + Counts { passed: number("passed").unwrap_or(0), failed: number("failed").unwrap_or(0) }
    })
}

/// `node --test`, one summary per run: `# pass 3` in TAP, `ℹ pass 3` in the reporter for people. A cancelled test (its
/// parent failed, or it never ended) has not passed.
fn node(text: &str) -> Counts {
    text.lines().fold(Counts::default(), |sum, line| {
        let Some(summary) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) else { return sum };
        let Some((word, number)) = summary.split_once(' ') else { return sum };
        let Ok(number) = number.trim().parse() else { return sum };
        match word {
            "pass" => sum + Counts { passed: number, failed: 0 },
            "fail" | "cancelled" => sum + Counts { passed: 0, failed: number },
            _ => sum,
        }
    })
}

/// npm scripts run in several workspaces (`> landfall@0.1.0 check`): one check each, so that it shows when a
/// workspace has none.
fn npm_checks(text: &str) -> Counts {
    let checks =
        text.lines().filter(|line| line.starts_with("> ") && line.contains('@') && line.ends_with(" check"));
    Counts { passed: checks.count() as u64, failed: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_results_add_up_over_binaries() {
        let text = "\
running 2 tests
test a ... ok
test b ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

test result: FAILED. 10 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.52s
test fake::passed ... test result was 7 passed
";
        assert_eq!(cargo(text), Counts { passed: 12, failed: 3 });
        assert_eq!(cargo("error: could not compile"), Counts::default());
    }

    #[test]
    fn wasm_bindgen_results_are_cargo_results_without_measures() {
        let text = "test result: ok. 4 passed; 0 failed; 0 ignored; 0 filtered out; finished in 0.08s\n";
        assert_eq!(cargo(text), Counts { passed: 4, failed: 0 });
    }

    #[test]
    fn node_summaries_are_read_from_both_reporters() {
        let tap = "TAP version 13\nok 1 - a\n1..1\n# tests 7\n# suites 2\n# pass 4\n# fail 1\n# cancelled 1\n# skipped 1\n";
        assert_eq!(node(tap), Counts { passed: 4, failed: 2 });
        let spec = "✔ a (1ms)\nℹ tests 3\nℹ pass 3\nℹ fail 0\nℹ cancelled 0\nℹ duration_ms 71.5\n";
        assert_eq!(node(spec), Counts { passed: 3, failed: 0 });
        assert_eq!(node("    # pass 9 in a nested test\n# pass through\n"), Counts::default());
    }

    #[test]
    fn a_run_without_success_has_failed_and_so_has_one_without_tests() {
        let half =
            "test result: ok. 3 passed; 0 failed; 0 ignored\nerror: test failed, to rerun pass `--lib`\n";
        assert_eq!(Runner::Cargo.count(half, false), Counts { passed: 3, failed: 1 });
        assert_eq!(
            Runner::Cargo.count("test result: FAILED. 1 passed; 2 failed\n", false),
            Counts { passed: 1, failed: 2 }
        );
        assert_eq!(
            Runner::Node.count("# tests 0\n# pass 0\n# fail 0\n", true),
            Counts { passed: 0, failed: 1 }
        );
        assert_eq!(Runner::Check.count("", true), Counts { passed: 1, failed: 0 });
        assert_eq!(Runner::Check.count("", false), Counts { passed: 0, failed: 1 });
        let two = "> a@1.0.0 check\n> tsc\n> b@1.0.0 check\n> tsc\n";
        assert_eq!(Runner::NpmChecks.count(two, false), Counts { passed: 1, failed: 1 });
        assert_eq!(Runner::NpmChecks.count("", true), Counts { passed: 0, failed: 1 });
    }

    #[test]
    fn npm_checks_count_workspaces() {
        let text = "\n> landfall@0.1.0 check\n> tsc --noEmit\n\n> landfall-demo@0.1.0 check\n> tsc -b\n";
        assert_eq!(npm_checks(text).passed, 2);
        assert_eq!(npm_checks("npm error no scripts\n").passed, 0);
    }
}
