//! nginx over HTTPS with curl: GET, and PUT where nginx has its WebDAV module.

use std::path::PathBuf;
use std::process::Command;

use super::curl::{self, Version};
use super::{Peer, Server, need, start_on_free_port, text, write};
use crate::column::{Column, Set, Way};
use crate::data::{Area, make_dir};
use crate::process::{Job, Service, ask};
use crate::trouble::{Outcome, Trouble};

/// Its name in the table.
pub const NAME: &str = "nginx+curl";

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

    /// What says that it is the one.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("cert.pem")
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
        // One large file is faster without HTTP/2's windows; many small ones are faster with it.
        let version = if self.http2 && column.set != Set::File { Version::Two } else { Version::One };
        let mut command = curl::command(&self.curl, column, version);
        command.arg("--cacert").arg(self.certificate());
        let list = self.dir.join("list");
        write(&list, curl::transfers(column, area, &format!("https://127.0.0.1:{port}/"))?)?;
        command.arg("--config").arg(list);
        Ok(Job::one(command))
    }
}
