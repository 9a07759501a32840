//! Arguments to exit code.

use std::process::ExitCode;

use clap::Parser;
use firstlight::cli::practice;

#[derive(Parser)]
#[command(name = "firstlight", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// A cluster on this machine to practise on.
    Practice {
        /// Name the scenarios.
        #[arg(long)]
        list: bool,
        #[command(subcommand)]
        command: Option<practice::PracticeCommand>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|first| first == firstlight::hosts::EXEC_STUB) {
        return Ok(exit(firstlight::hosts::exec_stub(args)));
    }
    let code = match Cli::parse().command {
        Command::Practice { list: true, .. } => practice::print_list()?,
        Command::Practice { command: Some(command), .. } => practice::run(command)?,
        Command::Practice { command: None, .. } => anyhow::bail!("say what to do: up, status, down, service"),
    };
    Ok(exit(code))
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
