//! From a program that runs on tokio: many tasks over a few connections.
//!
//! Sealift runs its connections on threads of its own; what it gives are plain futures, which any runtime can wait for.
//!
//! ```sh
//! SEALIFT_PASSWORD=… cargo run --example tokio_pool -- HOST:PORT PIN USER
//! ```

use sealift::client::{ConnectOptions, Credentials, Endpoint, Pool, Verification};
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, pin, user] = args.as_slice() else { return Err("HOST:PORT PIN USER".into()) };
    let (host, port) = server.rsplit_once(':').ok_or("HOST:PORT")?;
    let credentials = Credentials::password(user, std::env::var("SEALIFT_PASSWORD").unwrap_or_default());
    let options = ConnectOptions::new(Verification::Pins(vec![pin.parse()?]));
    let pool = Pool::connect(&Endpoint::new(host, port.parse()?), options, credentials, 4).await?;

    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.put(format!("task-{n}"), format!("from task {n}")).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    // Readers of the one kind become those of the other.
    let mut whole = Vec::new();
    tokio::io::copy(&mut pool.get("task-7").await?.compat(), &mut whole).await?;
    pool.put_from("copy", std::io::Cursor::new(whole).compat(), None).await?;
    println!("{} files", pool.list("", false).await?.entries.len());
    pool.close().await;
    Ok(())
}
