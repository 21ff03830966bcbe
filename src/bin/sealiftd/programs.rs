//! How the two programs are called from where the server was started, so that the commands it shows can be copied as they
//! stand.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::output::shell_word;

/// Two programs as a shell finds them.
#[derive(Debug, PartialEq, Eq)]
pub struct Programs {
    /// The client.
    pub sealift: String,
    /// This one.
    pub sealiftd: String,
}

impl Programs {
    /// For this process.
    pub fn here() -> Programs {
        let here = Here {
            program: env::current_exe().unwrap_or_else(|_| "sealiftd".into()),
            folder: env::current_dir().unwrap_or_default(),
            path: env::var_os("PATH").unwrap_or_default(),
            // Cargo tells a program that it runs.
            manifest: env::var_os("CARGO_MANIFEST_DIR").map(|folder| Path::new(&folder).join("Cargo.toml")),
        };
        Programs { sealift: here.sealift(), sealiftd: here.typed(&here.program) }
    }
}

struct Here {
    /// The running program.
    program: PathBuf,
    /// Where it was started.
    folder: PathBuf,
    /// The folders in which a shell looks for programs.
    path: std::ffi::OsString,
    manifest: Option<PathBuf>,
}

impl Here {
    /// The client beside this program; else the one that Cargo makes; else the one that a shell may find.
    fn sealift(&self) -> String {
        let beside = self.program.with_file_name("sealift");
        if beside.is_file() {
            return self.typed(&beside);
        }
        match self.manifest().filter(|manifest| manifest.is_file()) {
            None => "sealift".to_owned(),
            Some(manifest) if manifest.parent().is_some_and(|folder| self.folder.starts_with(folder)) => {
                "cargo run --release --bin sealift --".to_owned()
            }
            Some(manifest) => {
                format!(
                    "cargo run --release --manifest-path {} --bin sealift --",
                    shell_word(&manifest.to_string_lossy())
                )
            }
        }
    }

    /// The description of the package in whose target folder this program lies.
    fn manifest(&self) -> Option<PathBuf> {
        let target = self.program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
        let of_target = || target.and_then(Path::parent).map(|folder| folder.join("Cargo.toml"));
        target?;
        self.manifest.clone().or_else(of_target)
    }

    /// A program by its name alone where a shell finds this very file by it, else by its path, from here on if that is
    /// shorter.
    fn typed(&self, program: &Path) -> String {
        let name = program.file_name().unwrap_or(OsStr::new("sealiftd"));
        let found = env::split_paths(&self.path).map(|folder| folder.join(name)).find(|file| file.is_file());
        let is_this = |file: PathBuf| matches!((file.canonicalize(), program.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if found.is_some_and(is_this) {
            return shell_word(&name.to_string_lossy());
        }
        match program.strip_prefix(&self.folder) {
            Ok(below) if below.components().count() == 1 => shell_word(&format!("./{}", below.display())),
            Ok(below) => shell_word(&below.to_string_lossy()),
            Err(_) => shell_word(&program.to_string_lossy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder with these files, and a server in `target/release` that was started in `folder`.
    fn here(files: &[&str], folder: &str, path: &str) -> (tempfile::TempDir, Here) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for file in files.iter().chain(&["target/release/sealiftd"]) {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let program = root.join("target/release/sealiftd");
        let path = root.join(path).into_os_string();
        (dir, Here { program, folder: root.join(folder), path, manifest: None })
    }

    #[test]
    fn the_client_beside_the_server_is_called_by_its_path_or_by_its_name_if_that_leads_there() {
        let both = ["target/release/sealift", "bin/sealift"];
        let (_dir, at) = here(&both, "", "bin");
        assert_eq!(at.sealift(), "target/release/sealift", "another one is found by the name");
        assert_eq!(at.typed(&at.program), "target/release/sealiftd");
        let (_dir, at) = here(&both, "", "target/release");
        assert_eq!((at.sealift(), at.typed(&at.program)), ("sealift".to_owned(), "sealiftd".to_owned()));
        let (_dir, at) = here(&both, "target/release", "bin");
        assert_eq!(at.sealift(), "./sealift");
        let (dir, at) = here(&both, "elsewhere", "bin");
        assert_eq!(at.sealift(), dir.path().canonicalize().unwrap().join("target/release/sealift").to_str().unwrap());
    }

    #[test]
    fn a_client_that_is_not_built_is_run_by_cargo() {
        let sources = ["Cargo.toml", "target/CACHEDIR.TAG"];
        let (_dir, at) = here(&sources, "", "bin");
        assert_eq!(at.sealift(), "cargo run --release --bin sealift --");
        let (dir, at) = here(&sources, "", "bin");
        let at = Here { folder: "/elsewhere".into(), ..at };
        let manifest = dir.path().canonicalize().unwrap().join("Cargo.toml");
        assert_eq!(
            at.sealift(),
            format!("cargo run --release --manifest-path {} --bin sealift --", manifest.display())
        );
    }

    #[test]
    fn without_a_client_and_without_its_sources_it_goes_by_its_name() {
        let (_dir, at) = here(&[], "", "bin");
        assert_eq!(at.sealift(), "sealift");
    }
}
