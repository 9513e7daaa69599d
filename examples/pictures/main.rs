//! Makes the pictures of the documents from real runs: `cargo run --example pictures -- dist/docs/pictures`.
//!
//! Each picture is a terminal in which commands run, with a server and a home folder made for it. What is shown is what
//! the program printed; only the folder's name is replaced by a shorter one. The chart of the benchmark is made by the
//! benchmark itself (`--chart`).

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, unreachable_pub)]

#[path = "../demo_server/mod.rs"]
mod demo_server;
mod scene;
mod terminal;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;

use demo_server::DemoServer;

/// Started with this word, this program is mcp-ferry.
const PROGRAM: &str = "mcp-ferry";

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args_os().collect();
    if args.get(1).is_some_and(|first| first == PROGRAM) {
        args.remove(1);
        return mcp_ferry::run(args);
    }
    let Some(folder) = args.get(1) else {
        eprintln!("usage: pictures FOLDER");
        return ExitCode::from(2);
    };
    match draw(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pictures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(folder: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let url = start_server()?;
    for scene in scene::SCENES {
        let picture = terminal::svg(scene.title, &scene.play(&url)?);
        let path = folder.join(format!("{}.svg", scene.name));
        std::fs::write(&path, picture)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Starts the demo server, at the port of the documents if that is free, and returns its URL.
fn start_server() -> Result<String, Box<dyn Error>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = match DemoServer::bind(3000).await {
                Ok(server) => server,
                Err(_) => DemoServer::bind(0).await.expect("a free port"),
            };
            sender.send(server.url()).ok();
            server.serve().await;
        });
    });
    Ok(receiver.recv()??)
}
