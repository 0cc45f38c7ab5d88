//! What the programs take, as their own `--help` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command as Process;

use super::program;
use super::quoted::Command;

/// One command as its help describes it.
#[derive(Clone, Debug, Default)]
struct Help {
    commands: BTreeSet<String>,
    /// Every flag, and whether a value follows it.
    flags: BTreeMap<String, bool>,
    /// How many arguments it takes beside flags.
    arguments: usize,
}

/// The help of every command that was asked for.
#[derive(Debug, Default)]
pub(super) struct Helps {
    known: BTreeMap<Vec<String>, Help>,
    flags: Option<BTreeSet<String>>,
}

impl Helps {
    fn of(&mut self, path: &[String]) -> &Help {
        self.known.entry(path.to_vec()).or_insert_with(|| {
            let output = Process::new(program(&path[0]))
                .args(&path[1..])
                .arg("--help")
                .output()
                .expect("the program runs");
            assert!(output.status.success(), "{path:?}");
            parse(&String::from_utf8(output.stdout).expect("help is UTF-8"))
        })
    }

    /// Why a quoted command cannot be meant so.
    pub(super) fn check(&mut self, command: &Command) -> Result<(), String> {
        let mut path = vec![command.words[0].clone()];
        let (mut arguments, mut asks_help) = (0, false);
        let mut words = command.words[1..].iter();
        while let Some(word) = words.next() {
            let help = self.of(&path);
            if word.starts_with('-') && word != "-" {
                let (flag, value) = match word.split_once('=') {
                    Some((flag, value)) => (flag, Some(value)),
                    None => (word.as_str(), None),
                };
                asks_help |= ["--help", "-h", "--version", "-V"].contains(&flag);
                let Some(valued) = help.flags.get(flag) else {
                    return Err(format!("{} takes no {flag}", path.join(" ")));
                };
                let missing = *valued && value.is_none() && words.next().is_none();
                if missing && command.whole {
                    return Err(format!("{flag} wants a value"));
                }
            } else if !help.commands.is_empty() {
                if !help.commands.contains(word) {
                    return Err(format!("{} has no command {word}", path.join(" ")));
                }
                path.push(word.clone());
            } else {
                arguments += 1;
                if arguments > help.arguments {
                    return Err(format!("{} takes no argument {word}", path.join(" ")));
                }
            }
        }
        if command.whole && !asks_help && !self.of(&path).commands.is_empty() {
            return Err(format!("{} wants a command", path.join(" ")));
        }
        Ok(())
    }

    /// The flags of all commands of both programs.
    pub(super) fn all_flags(&mut self) -> &BTreeSet<String> {
        if self.flags.is_none() {
            let mut flags = BTreeSet::new();
            let mut open = vec![vec!["lianbo-hub".to_owned()], vec!["lianbo-node".to_owned()]];
            while let Some(path) = open.pop() {
                let help = self.of(&path).clone();
                flags.extend(help.flags.into_keys());
                for command in help.commands.into_iter().filter(|it| it != "help") {
                    open.push([&path[..], &[command]].concat());
                }
            }
            self.flags = Some(flags);
        }
        self.flags.as_ref().expect("just made")
    }
}

/// Reads what clap prints.
fn parse(text: &str) -> Help {
    let mut help = Help::default();
    let mut section = "";
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if indent == 0 {
            section = line;
        } else if section == "Commands:" && indent == 2 {
            help.commands.insert(first.to_owned());
        } else if section == "Arguments:" && indent == 2 {
            help.arguments += 1;
        } else if section == "Options:" && first.starts_with('-') {
            let mut names = vec![first.trim_end_matches(',').to_owned()];
            let mut next = words.next();
            if let Some(long) = next.filter(|it| first.ends_with(',') && it.starts_with("--")) {
                names.push(long.to_owned());
                next = words.next();
            }
            let valued = next.is_some_and(|it| it.starts_with('<'));
            help.flags.extend(names.into_iter().map(|name| (name, valued)));
        }
    }
    help
}
