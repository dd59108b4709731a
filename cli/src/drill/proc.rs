//! Processes as the system lists them: a server's tree, who owns a socket, how much memory.

use std::collections::HashSet;

use procfs::process::{FDTarget, Process, Stat};
use rustix::process::{Pid, getpid};

/// A process of a server.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) pid: Pid,
    /// What it is called.
    pub(crate) name: String,
    /// When it was started, in ticks since the machine was: a number alone may come again.
    started: u64,
    /// It was stopped by a signal, and stands.
    pub(crate) is_stopped: bool,
}

impl Member {
    fn of(stat: &Stat) -> Option<Member> {
        // Who has exited and was not waited for is no process any more.
        let is_alive = !matches!(stat.state, 'Z' | 'X');
        Some(Member {
            pid: Pid::from_raw(stat.pid).filter(|_| is_alive)?,
            name: stat.comm.clone(),
            started: stat.starttime,
            is_stopped: stat.state == 'T',
        })
    }

    /// Whether they are the same process, whatever it is doing.
    pub(crate) fn is(&self, other: &Member) -> bool {
        (self.pid, self.started) == (other.pid, other.started)
    }

    /// The process as it is now, if it still is.
    pub(crate) fn again(&self) -> Option<Member> {
        let stat = Process::new(self.pid.as_raw_nonzero().get()).and_then(|it| it.stat());
        let now = stat.ok().as_ref().and_then(Member::of)?;
        now.is(self).then_some(now)
    }

    /// Whether the system still lists it, though it may have exited: somebody has to wait for it.
    pub(crate) fn is_listed(&self) -> bool {
        let stat = Process::new(self.pid.as_raw_nonzero().get()).and_then(|it| it.stat());
        stat.is_ok_and(|stat| stat.starttime == self.started)
    }

    /// The most memory that it had, in KiB.
    pub(crate) fn memory_kib(&self) -> Option<u64> {
        let status = Process::new(self.pid.as_raw_nonzero().get()).and_then(|it| it.status());
        status.ok()?.vmhwm
    }

    /// Number and name, for people.
    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", self.name, self.pid.as_raw_nonzero())
    }
}

/// The processes of the server that `root` began: itself, who descends from it, who is in its
/// process group. With `adopted`, those as well that have become our children, because whoever
/// started them is gone: we are the reaper of all that descends from us.
pub(crate) fn tree(root: Pid, adopted: bool) -> Vec<Member> {
    let all = procfs::process::all_processes()
        .into_iter()
        .flatten()
        .flatten();
    let all: Vec<Stat> = all.filter_map(|process| process.stat().ok()).collect();
    let root = root.as_raw_nonzero().get();
    let mut found = HashSet::from([root]);
    let is_root = |stat: &Stat| stat.pgrp == root;
    found.extend(all.iter().filter(|stat| is_root(stat)).map(|stat| stat.pid));
    if adopted {
        let us = getpid().as_raw_nonzero().get();
        found.extend(
            all.iter()
                .filter(|stat| stat.ppid == us)
                .map(|stat| stat.pid),
        );
    }
    loop {
        let known = found.len();
        let children = all.iter().filter(|stat| found.contains(&stat.ppid));
        let children: Vec<i32> = children.map(|stat| stat.pid).collect();
        found.extend(children);
        if found.len() == known {
            break;
        }
    }
    let members = all.iter().filter(|stat| found.contains(&stat.pid));
    members.filter_map(Member::of).collect()
}

/// Those of `members` that have a descriptor of one of these sockets.
pub(crate) fn owners(members: &[Member], inodes: &[u32]) -> Vec<Member> {
    let owns = |member: &&Member| {
        let process = Process::new(member.pid.as_raw_nonzero().get());
        let files = process.and_then(|process| process.fd());
        files.into_iter().flatten().flatten().any(|file| {
            matches!(file.target, FDTarget::Socket(inode)
                if inodes.iter().any(|own| u64::from(*own) == inode))
        })
    };
    members.iter().filter(owns).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn this_process_is_found_by_its_number_and_by_its_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(listener.as_fd()).unwrap().st_ino;
        let us = tree(getpid(), false);
        let us = us
            .iter()
            .find(|member| member.pid == getpid())
            .unwrap()
            .clone();
        assert!(us.again().unwrap().is(&us));
        assert!(us.memory_kib().unwrap() > 0);
        let members = tree(getpid(), false);
        let inode = u32::try_from(inode).unwrap();
        let owners = owners(&members, &[inode]);
        assert!(owners.iter().any(|owner| owner.pid == us.pid));
        drop(listener);
    }

    #[test]
    fn a_child_is_in_its_parents_tree_until_it_exits() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let is_there = || tree(getpid(), false).iter().any(|member| member.pid == pid);
        let found = is_there();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found && !is_there());
    }
}
