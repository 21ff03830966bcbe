//! Sends a file, lists what is there, and reads it back.
//!
//! ```sh
//! SEALIFT_PASSWORD=… cargo run --example send_and_fetch -- HOST:PORT PIN USER FILE
//! ```

use futures::io::AsyncReadExt as _;
use sealift::client::{Client, ConnectOptions, Endpoint, Verification};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, pin, user, file] = args.as_slice() else { return Err("HOST:PORT PIN USER FILE".into()) };
    let (host, port) = server.rsplit_once(':').ok_or("HOST:PORT")?;
    let password = std::env::var("SEALIFT_PASSWORD").unwrap_or_default();
    let name = std::path::Path::new(file).file_name().and_then(|name| name.to_str()).ok_or("a file has a name")?;
    async_std::task::block_on(async {
        let options = ConnectOptions::new(Verification::Pins(vec![pin.parse()?]));
        let mut client = Client::connect(&Endpoint::new(host, port.parse()?), options).await?;
        client.login(user, password.into()).await?;

        let done = client.put_file(file, name).await?;
        println!("{name}: {} bytes, BLAKE3 {}", done.size, done.hash);
        for entry in client.list("", false).await?.entries {
            println!("{:>10} {}", entry.size, String::from_utf8_lossy(&entry.path).escape_debug());
        }
        let mut back = Vec::new();
        client.get(name).await?.read_to_end(&mut back).await?;
        println!("{} bytes came back", back.len());
        Ok(client.logout().await?)
    })
}
