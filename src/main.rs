//! Arguments to exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|first| first == firstlight::hosts::EXEC_STUB) {
        return ExitCode::from(u8::try_from(firstlight::hosts::exec_stub(args)).unwrap_or(u8::MAX));
    }
    firstlight::cli::main()
}
