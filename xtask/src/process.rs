//! Processes that end with their task.
//!
//! 1. A process gets a group of its own, so that the terminal's Ctrl-C does not reach it directly.
//! 2. cargo-lambda puts each function into another group. All descendants are therefore found by
//!    their parents.
//! 3. All processes first get SIGTERM. Those that remain are killed. It is an error if one remains
//!    after that.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::workspace::{name, output};

/// The time that a process has to end by itself.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A running process that is stopped with all its descendants when it is dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    stopped: bool,
}

impl Running {
    pub(crate) fn start(name: impl Into<String>, command: &mut Command) -> Result<Self> {
        let name = name.into();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        Ok(Self {
            name,
            child,
            stopped: false,
        })
    }

    /// Returns the id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the exit status if the process has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Returns the ids of its living descendants with this name.
    pub(crate) fn descendants_named(&self, name: &str) -> Result<Vec<u32>> {
        let all = living()?;
        let descendants = descendants(&all, self.child.id());
        let named = descendants.into_iter().filter(|p| p.name == name);
        Ok(named.map(|process| process.id).collect())
    }

    /// Ends the process and its descendants.
    pub(crate) fn end(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let leader = self.child.id();
        let all = living()?;
        // The descendants are listed before the leader ends, because an orphan gets another parent.
        let below = descendants(&all, leader).into_iter().map(|p| p.id);
        let everyone: Vec<u32> = below.chain([leader]).collect();
        if let Some(group) = pid(leader) {
            // An error means that no process is left.
            let _ = kill_process_group(group, Signal::TERM);
        }
        if !self.gone_within(&everyone, GRACE)? {
            for process in alive(&everyone)? {
                kill(process);
            }
            let gone = self.gone_within(&everyone, GRACE)?;
            ensure!(gone, "processes of {} cannot be stopped", self.name);
        }
        Ok(())
    }

    fn gone_within(&mut self, processes: &[u32], time: Duration) -> Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            let ended = self.child.try_wait()?.is_some();
            if ended && alive(processes)?.is_empty() {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a command to its end and passes its output through.
pub(crate) async fn run(command: &mut Command) -> Result<()> {
    let name = name(command);
    let mut running = Running::start(&name, command.stdin(Stdio::null()))?;
    loop {
        if let Some(status) = running.ended()? {
            ensure!(status.success(), "{name} failed: {status}");
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Kills a process and waits until it is gone.
pub(crate) fn kill_and_wait(process: u32) -> Result<()> {
    kill(process);
    let deadline = Instant::now() + GRACE;
    while !alive(&[process])?.is_empty() {
        ensure!(
            Instant::now() < deadline,
            "a process was killed and did not end"
        );
        sleep(POLL);
    }
    Ok(())
}

/// Stops a process until it is continued.
pub(crate) fn stop(process: u32) -> Result<()> {
    signal(process, Signal::STOP)
}

/// Continues a process that was stopped.
pub(crate) fn continue_(process: u32) -> Result<()> {
    signal(process, Signal::CONT)
}

/// Returns a port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn kill(process: u32) {
    // An error means that the process has ended.
    let _ = signal(process, Signal::KILL);
}

fn signal(process: u32, signal: Signal) -> Result<()> {
    let process = pid(process).context("the id is not a process id")?;
    Ok(kill_process(process, signal)?)
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

fn alive(of: &[u32]) -> Result<Vec<u32>> {
    let all = living()?.into_iter().map(|process| process.id);
    Ok(all.filter(|id| of.contains(id)).collect())
}

struct Process {
    id: u32,
    parent: u32,
    name: String,
}

fn descendants(all: &[Process], of: u32) -> Vec<&Process> {
    let mut found: Vec<&Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|process| process.parent == parent) {
            parents.push(child.id);
            found.push(child);
        }
    }
    found
}

/// Lists all processes except zombies, which are dead and wait for their parent to read the status.
fn living() -> Result<Vec<Process>> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return living_by_ps();
    };
    let stats = entries.filter_map(|entry| {
        // A process that ends at this time has no file any more.
        let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        // The name is in parentheses, and can itself contain some.
        let (id, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut rest = rest.split(' ');
        let (state, parent) = (rest.next()?, rest.next()?);
        parsed(id, parent, state, name)
    });
    Ok(stats.collect())
}

/// Lists the processes of a system without `/proc`, such as macOS.
fn living_by_ps() -> Result<Vec<Process>> {
    let listed = output(Command::new("ps").args(["-axo", "pid=,ppid=,state=,comm="]))?;
    let lines = listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (id, parent, state) = (words.next()?, words.next()?, words.next()?);
        let name = words.next()?.rsplit('/').next()?;
        parsed(id, parent, state, name)
    });
    Ok(lines.collect())
}

fn parsed(id: &str, parent: &str, state: &str, name: &str) -> Option<Process> {
    let dead = state.starts_with(['Z', 'X']);
    (!dead).then_some(Process {
        id: id.parse().ok()?,
        parent: parent.parse().ok()?,
        name: name.to_owned(),
    })
}

#[cfg(all(test, target_os = "linux"))] // because of `setsid`
mod tests {
    use super::*;

    #[test]
    fn running_end_stops_all_descendants() {
        let script = "trap '' TERM; setsid sleep 1000 & sleep 1001";
        let mut running = Running::start("sh", Command::new("sh").args(["-c", script])).unwrap();
        let deadline = Instant::now() + GRACE;
        let sleeps = loop {
            let found = running.descendants_named("sleep").unwrap();
            if found.len() == 2 || Instant::now() > deadline {
                break found;
            }
            sleep(POLL);
        };
        assert_eq!(sleeps.len(), 2);
        running.end().unwrap();
        assert!(alive(&sleeps).unwrap().is_empty());
    }
}
