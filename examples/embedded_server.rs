//! A server inside of another program: one user, until the program is told to end.
//!
//! ```sh
//! cargo run --example embedded_server -- FOLDER
//! ```

use sealift::auth::{Grants, UsersFile, hash_password};
use sealift::server::Server;
use sealift::tls::Identity;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("FOLDER")?;
    let folder = std::path::Path::new(&folder);
    let users = UsersFile::new(folder.join("users.toml"));
    if !folder.join("users.toml").exists() {
        users.create()?;
        let password = std::env::var("SEALIFT_PASSWORD").map_err(|_| "SEALIFT_PASSWORD is not set")?;
        users.add("alice", &hash_password(&password.into())?, Grants::new("alice"))?;
    }
    // The same key at every start: clients know the server by it.
    let (identity, _) = Identity::load_or_generate(&folder.join("certs"), &["localhost".to_owned()])?;
    let server = Server::builder(identity)
        .users(folder.join("users.toml"))
        .folder(folder.join("data"))
        .listen("127.0.0.1:0".parse()?)
        .bind()?;
    for address in server.addresses() {
        println!("{address} {}", server.pin());
    }

    // It ends when standard input does.
    let handle = server.handle();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        handle.stop();
    });
    Ok(async_std::task::block_on(server.serve())?)
}
