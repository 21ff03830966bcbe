//! nginx over HTTPS with curl: GET, and PUT where nginx has its WebDAV module.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Peer, Server, need, start_on_free_port, text, write};
use crate::column::{Column, Set, Way};
use crate::data::{Area, SINK, SOURCE, make_dir};
use crate::process::{Job, Service, ask};
use crate::trouble::{Outcome, Trouble};

/// Its name in the table.
pub const NAME: &str = "nginx+curl";

/// Transfers that curl has in flight: its own default, and its most before version 8.
const PARALLEL: &str = "50";
const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// A running nginx, and what curl needs to reach it.
pub struct Nginx {
    service: Service,
    port: u16,
    curl: PathBuf,
    dir: PathBuf,
    dav: bool,
    http2: bool,
}

impl Nginx {
    /// Starts it with a configuration and a certificate of its own. Also returns the versions.
    ///
    /// # Errors
    /// When a part is missing, or it does not start.
    pub fn start(area: &Area) -> Outcome<(Nginx, Vec<String>)> {
        let (nginx, curl) = (need("nginx")?, need("curl")?);
        let built = ask(Command::new(&nginx).arg("-V"), "")?;
        if !built.contains("--with-http_ssl_module") {
            return Err(Trouble::new("this nginx has no TLS"));
        }
        let curl_version = ask(Command::new(&curl).arg("-V"), "")?;
        let dav = built.contains("--with-http_dav_module");
        let http2 = built.contains("--with-http_v2_module") && curl_version.contains("HTTP2");
        let dir = area.path("nginx");
        make_dir(&dir)?;
        sealift::tls::Identity::generate(&["127.0.0.1".to_owned()])?.save(&dir, false)?;
        let home = area.home();
        let (folder, home) = (text(&dir)?.to_owned(), text(&home)?.to_owned());
        let (service, port) = start_on_free_port(&dir.join("nginx.log"), |port| {
            let file = dir.join("nginx.conf");
            write(&file, configuration(&folder, &home, port, dav, http2))?;
            let mut command = Command::new(&nginx);
            command.arg("-p").arg(&dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(&file);
            Ok(command)
        })?;
        let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let versions = vec![line(&built), line(&curl_version)];
        Ok((Nginx { service, port, curl, dir, dav, http2 }, versions))
    }
}

fn configuration(folder: &str, home: &str, port: u16, dav: bool, http2: bool) -> String {
    // Its workers could not enter the temporary directory as another user. Not root, it has no other user.
    let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
    let http2 = if http2 { "http2" } else { "" };
    let dav = if dav { "dav_methods PUT; create_full_put_path on;" } else { "" };
    let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path \"{folder}/{kind}\";\n"))
        .collect();
    format!(
        "{user}\ndaemon off;\nworker_processes auto;\npid \"{folder}/pid\";\nerror_log \"{folder}/error.log\" warn;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 1000000;\nclient_max_body_size 0;\n\
         {scratch}server {{\nlisten 127.0.0.1:{port} ssl {http2};\nssl_protocols TLSv1.3;\n\
         ssl_certificate \"{folder}/cert.pem\";\nssl_certificate_key \"{folder}/key.pem\";\n\
         root \"{home}\";\nlocation / {{ {dav} }}\n}}\n}}\n"
    )
}

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cannot(&self, column: Column) -> Option<String> {
        let missing = column.way == Way::Up && !self.dav;
        missing.then(|| "this nginx has no WebDAV module, so it takes no PUT".to_owned())
    }

    fn server(&self) -> Option<Server> {
        Some(Server { pid: self.service.pid(), port: self.port })
    }

    fn job(&self, column: Column, area: &Area, port: u16) -> Outcome<Job> {
        let mut command = Command::new(&self.curl);
        // Without the person's own settings; names with brackets stay as they are.
        command.args(["-q", "--silent", "--show-error", "--fail", "--globoff", "--tls13-ciphers", CIPHER]);
        command.arg("--cacert").arg(self.dir.join("cert.pem"));
        // One large file is faster without HTTP/2's windows; many small ones are faster with it.
        let http2 = self.http2 && column.set != Set::File;
        command.arg(if http2 { "--http2" } else { "--http1.1" });
        if column.set.is_folder() {
            command.args(["--parallel", "--parallel-max", PARALLEL, "--create-dirs"]);
        }
        let list = self.dir.join("list");
        write(&list, transfers(column, area, port)?)?;
        command.arg("--config").arg(list);
        Ok(Job::one(command))
    }
}

/// The list of transfers that curl reads: it has no way to ask for a folder, so it is told what is in it.
fn transfers(column: Column, area: &Area, port: u16) -> Outcome<String> {
    let source = area.source();
    let mut files = Vec::new();
    list(&source.join(column.set.entry()), &mut files)?;
    let mut lines = String::new();
    for file in files {
        let relative = file.strip_prefix(&source).unwrap_or(&file);
        let arrived = area.destination(column.way).join(relative);
        let (remote, option, local) = match column.way {
            Way::Down => (SOURCE, "output", &arrived),
            Way::Up => (SINK, "upload-file", &file),
        };
        let path: String = relative.as_os_str().as_encoded_bytes().iter().map(|byte| url_byte(*byte)).collect();
        let local = local.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let _never_fails =
            write!(lines, "url = \"https://127.0.0.1:{port}/{remote}/{path}\"\n{option} = \"{local}\"\n");
    }
    Ok(lines)
}

fn url_byte(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    let fail = |err| Trouble::at(path, err);
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(fail)? {
        list(&entry.map_err(fail)?.path(), files)?;
    }
    Ok(())
}
