//! What a user name and a home may look like.

use super::shared::{EVERYBODY, GROUP};
use crate::files::is_reserved_name;
use crate::limits::{DEPTH_MAX, NAME_MAX, PATH_MAX, RESERVED_NAME, USER_MAX};

/// The name every anonymous principal has.
pub(super) const ANONYMOUS: &str = "anonymous";

/// Whether this login name means anonymous reading. `ftp` is its old second name (RFC 1635), and case does not
/// matter, so that no named user can look like it.
pub fn is_anonymous(name: &str) -> bool {
    name.eq_ignore_ascii_case(ANONYMOUS) || name.eq_ignore_ascii_case("ftp")
}

/// Whether a named user may be called this; otherwise why not, as the end of a sentence about the name.
pub(super) fn check_user(name: &str) -> Result<(), String> {
    if is_anonymous(name) {
        return Err("is kept for anonymous reading, which has its own section [anonymous]".into());
    }
    if name.len() > USER_MAX {
        return Err(format!("is longer than {USER_MAX} bytes"));
    }
    if name.contains('/') {
        return Err("holds a slash".into());
    }
    if name.starts_with(GROUP) || name == EVERYBODY {
        return Err(format!("stands for others: `{GROUP}` begins the name of a group, and `{EVERYBODY}` is everybody"));
    }
    check_component(name)
}

/// Whether this is a usable home: a path below the data directory; otherwise why not, as the end of a sentence.
pub(super) fn check_home(home: &str) -> Result<(), String> {
    if home.starts_with('/') {
        return Err("is absolute: write a path below the data directory".into());
    }
    if home.len() > PATH_MAX {
        return Err(format!("is longer than {PATH_MAX} bytes"));
    }
    if home.split('/').count() > DEPTH_MAX {
        return Err(format!("is deeper than {DEPTH_MAX} folders"));
    }
    home.split('/').try_for_each(check_component)
}

fn check_component(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty, or has an empty part".into());
    }
    if name == "." || name == ".." {
        return Err("has a part `.` or `..`".into());
    }
    if name.len() > NAME_MAX {
        return Err(format!("has a part longer than {NAME_MAX} bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err("holds a control character".into());
    }
    if is_reserved_name(name.as_bytes()) {
        return Err(format!("uses {RESERVED_NAME}, which is reserved, or what some file systems take for it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_user_names_pass() {
        for name in ["alice", "a", "Jürgen", "a.b@c", "with space", &"x".repeat(USER_MAX)] {
            assert_eq!(check_user(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn unusable_user_names_are_refused_with_the_reason() {
        let long = "x".repeat(USER_MAX + 1);
        for (name, why) in [
            ("", "empty"),
            (long.as_str(), "longer"),
            ("a/b", "slash"),
            ("..", "`..`"),
            ("a\nb", "control"),
            ("a\0", "control"),
            ("a\u{9b}", "control"),
            ("anonymous", "[anonymous]"),
            ("FTP", "[anonymous]"),
            ("@staff", "stands for others"),
            ("@", "stands for others"),
            ("*", "stands for others"),
            (".SeaLift", "reserved"),
            (".ſealift", "reserved"),
            ("sealif~1", "reserved"),
        ] {
            assert!(check_user(name).unwrap_err().contains(why), "{name:?}");
        }
    }

    #[test]
    fn usable_homes_pass() {
        for home in ["public", "teams/alice", "a/b/c", "..a", "a b"] {
            assert_eq!(check_home(home), Ok(()), "{home}");
        }
    }

    #[test]
    fn homes_that_leave_or_confuse_the_data_directory_are_refused() {
        let deep = vec!["d"; DEPTH_MAX + 1].join("/");
        let wide = "n".repeat(NAME_MAX + 1);
        let long = vec!["n".repeat(200); 40].join("/");
        for (home, why) in [
            ("", "empty"),
            ("/etc", "absolute"),
            ("..", "`..`"),
            ("a/../b", "`..`"),
            ("./a", "`.`"),
            ("a//b", "empty"),
            ("a/", "empty"),
            (".sealift", "reserved"),
            ("a/.SEALIFT/b", "reserved"),
            ("a/.sealift./b", "reserved"),
            ("a\0b", "control"),
            (deep.as_str(), "deeper"),
            (wide.as_str(), "longer"),
            (long.as_str(), "longer"),
        ] {
            assert!(check_home(home).unwrap_err().contains(why), "{home:?}");
        }
    }
}
