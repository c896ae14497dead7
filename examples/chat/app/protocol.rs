//! The line protocol: a line that starts with `/` is a command, every other line is said in the
//! room. The server answers with `* information` and `error: what was wrong`.

use std::str::FromStr;

/// In bytes, without the line end.
pub const MAX_LINE: usize = 1024;
const MAX_NAME: usize = 16;

pub const HELP: &str = "/nick NAME, /join ROOM, /leave, /who, /users, /msg NAME TEXT, /shout TEXT, \
                        /roll 2d6, /color 0-255, /quit; \
                        anything else is said in your room";

#[derive(Debug, PartialEq)]
pub enum Command {
    Nick(String),
    Join(String),
    Leave,
    Who,
    /// Who is connected?
    Users,
    /// For one other, wherever that is.
    Message(String, String),
    /// For everybody who is connected.
    Shout(String),
    /// The room rolls dice. Nobody has looked at the text yet.
    Roll(String),
    /// Color the lines that this client receives. Nobody has looked at the text yet.
    Color(String),
    Help,
    Quit,
    Say(String),
    /// An empty line.
    Nothing,
}

impl FromStr for Command {
    /// What the user did wrong.
    type Err = String;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        if line.trim().is_empty() {
            return Ok(Self::Nothing);
        }
        if !line.starts_with('/') {
            return Ok(Self::Say(line.to_owned()));
        }
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim();
        match command {
            "/nick" => name(argument).map(Self::Nick),
            "/join" => name(argument).map(Self::Join),
            "/leave" => Ok(Self::Leave),
            "/who" => Ok(Self::Who),
            "/users" => Ok(Self::Users),
            "/msg" => {
                let (to, text) = argument.split_once(' ').ok_or("say to whom, and what")?;
                Ok(Self::Message(name(to)?, text.trim().to_owned()))
            }
            "/shout" => Ok(Self::Shout(argument.to_owned())),
            "/roll" => Ok(Self::Roll(argument.to_owned())),
            "/color" => Ok(Self::Color(argument.to_owned())),
            "/help" => Ok(Self::Help),
            "/quit" => Ok(Self::Quit),
            _ => Err(format!("there is no command {command}, try /help")),
        }
    }
}

/// The name of a user or a room.
fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    match text.chars().count() {
        1..=MAX_NAME if text.chars().all(good) => Ok(text.to_owned()),
        _ => Err(format!("a name is 1 to {MAX_NAME} letters, digits, - or _")),
    }
}
