//! The command line, and the comparison in the end.

mod faults;
mod lines;
mod overseer;
mod stages;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use deathwatch::{ExitReason, Runtime};

use self::faults::Faults;
use self::overseer::{Job, Overseer};

pub fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let output = std::env::temp_dir().join(format!("deathwatch-pipeline-{}.txt", std::process::id()));
    let _ = fs::remove_file(&output); // of another process that had our number
    let outcome = own_files(files).and_then(|files| run(files, &output));
    let _ = fs::remove_file(&output);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipeline: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The files that were named, and those in the folders that were; or those of this repository.
fn own_files(named: Vec<PathBuf>) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let own = || vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let named = if named.is_empty() { own() } else { named };
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() { files.extend(lines::files_under(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

fn run(files: Vec<PathBuf>, output: &Path) -> Result<(), Box<dyn Error>> {
    let expected = lines::digest_all(&files)?;
    let lines = expected.lines().count();
    let faults = Faults::over(lines as u64);
    println!("{} files, {lines} lines; {} crashes are planned", files.len(), faults.left());

    std::panic::set_hook(Box::new(|_| ())); // what panics is told by its Down
    let runtime = Runtime::builder().workers(1).name("pipeline").build()?;
    let (report, restarts) = mpsc::channel();
    let job = Job { input: files, output: output.to_path_buf(), faults: faults.clone() };
    let begun = Instant::now();
    let overseer = runtime.start(Overseer::new(job, report))?;
    let mut crashes = 0;
    for restart in restarts {
        crashes += 1;
        println!("  {:<8} died ({}), and goes on from line {}", restart.stage, restart.reason, restart.from);
    }
    let reason = overseer.wait_exit().wait();
    let took = begun.elapsed();
    runtime.shutdown(Duration::from_secs(10))?;
    let _ = std::panic::take_hook();

    if reason != ExitReason::Normal {
        return Err(format!("the overseer ended: {reason}").into());
    }
    let written = fs::read_to_string(output)?;
    if written != expected {
        let same = written.lines().zip(expected.lines()).take_while(|(is, must_be)| is == must_be).count();
        return Err(format!("row {same} and those after it are not what a plain loop makes").into());
    }
    println!(
        "{lines} rows in {took:.1?}: none lost, none twice, the same as from a plain loop; {crashes} restarts"
    );
    // With very few lines, some fall on lines that do not exist, or two on one.
    match faults.left() {
        left if left > 0 && lines >= 16 => Err(format!("{left} of the planned crashes did not come").into()),
        _ => Ok(()),
    }
}
