//! A test in a process of its own, where it measures that process.

use std::env;
use std::process::Command;

use super::text;

/// Names, in such a process, the test that it was started for.
const TEST: &str = "SEALIFT_TEST_IN_ITS_PROCESS";

/// Whether this process was started for this test alone. If not, it is started here, and must pass there: the caller has
/// nothing more to do. `test` is the whole name, as the test runner lists it.
pub fn is_of_its_own(test: &str) -> bool {
    if env::var(TEST).is_ok_and(|started| started == test) {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(TEST, test).output().unwrap();
    let said = text(&output.stdout);
    print!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", text(&output.stderr));
    false
}
