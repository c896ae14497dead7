//! A snapshot as a graph.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::table::clean;
use super::{ActorInfo, Snapshot};
use crate::id::ActorId;

/// What joins two actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    /// From the supervisor to the child.
    Supervises,
    /// From the watcher to the target.
    Monitors,
    /// Both ways.
    Linked,
    /// For a reply.
    Waits,
}

/// A graph: who is in it, and how often each edge is.
struct Graph<'a> {
    /// `None`: it is not in the list.
    nodes: BTreeMap<ActorId, Option<&'a ActorInfo>>,
    edges: BTreeMap<(ActorId, ActorId, Edge), usize>,
}

impl Snapshot {
    /// As a graph in the language of Graphviz: an edge from each supervisor to its children, from each watcher to its targets, from
    /// who waits for a reply to whom it asked, and, without a direction, between those who are linked. Whoever is not in
    /// the list (plain code, the dead, actors of other runtimes) is drawn with a dashed line.
    ///
    /// ```
    /// use deathwatch::{Options, Runtime, prelude::*};
    /// # struct Db; impl Actor for Db {}
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let db = Db.start_with(Options::new().runtime(&runtime).name("the \"db\""))?;
    /// let n = db.id().get();
    /// let line = format!(r#"  a{n} [label="the \"db\"\nDb #{n}"];"#);
    /// assert!(runtime.snapshot().to_dot().lines().any(|one| one == line));
    /// # Ok::<(), deathwatch::StartError>(())
    /// ```
    pub fn to_dot(&self) -> String {
        let graph = self.graph();
        let mut dot = String::from("digraph actors {\n  node [shape=box];\n");
        for (id, actor) in &graph.nodes {
            let label: Vec<String> = label(*id, *actor).iter().map(|line| quoted(line)).collect();
            let style = if actor.is_some() { "" } else { ", style=dashed" };
            let _ = writeln!(dot, "  a{} [label=\"{}\"{style}];", id.get(), label.join("\\n"));
        }
        for ((from, to, edge), times) in &graph.edges {
            let style = match edge {
                Edge::Supervises => "style=bold",
                Edge::Monitors => "style=solid",
                Edge::Linked => "dir=none",
                Edge::Waits => "style=dotted",
            };
            let text = words(*edge, *times);
            let _ = writeln!(dot, "  a{} -> a{} [{style}, label=\"{text}\"];", from.get(), to.get());
        }
        dot.push_str("}\n");
        dot
    }

    /// As a flowchart in the language of Mermaid, which web pages and many a viewer of Markdown draw; otherwise as
    /// [`to_dot`](Self::to_dot).
    ///
    /// ```
    /// use deathwatch::{Runtime, prelude::*};
    /// # struct Db; impl Actor for Db {}
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let db = runtime.start(Db)?;
    /// let n = db.id().get();
    /// assert_eq!(runtime.snapshot().to_mermaid(), format!("flowchart LR\n  a{n}[\"Db #35;{n}\"]\n"));
    /// # Ok::<(), deathwatch::StartError>(())
    /// ```
    pub fn to_mermaid(&self) -> String {
        let graph = self.graph();
        let mut chart = String::from("flowchart LR\n");
        for (id, actor) in &graph.nodes {
            let label: Vec<String> = label(*id, *actor).iter().map(|line| entities(line)).collect();
            let (left, right) = if actor.is_some() { ("[", "]") } else { ("([", "])") };
            let _ = writeln!(chart, "  a{}{left}\"{}\"{right}", id.get(), label.join("<br/>"));
        }
        for ((from, to, edge), times) in &graph.edges {
            let arrow = match edge {
                Edge::Supervises => "==>",
                Edge::Monitors => "-->",
                Edge::Linked => "---",
                Edge::Waits => "-.->",
            };
            let text = words(*edge, *times);
            let _ = writeln!(chart, "  a{} {arrow}|{text}| a{}", from.get(), to.get());
        }
        chart
    }

    fn graph(&self) -> Graph<'_> {
        let mut graph = Graph { nodes: BTreeMap::new(), edges: BTreeMap::new() };
        for actor in &self.actors {
            graph.nodes.insert(actor.id, Some(actor));
            let mut add = |from, to, edge| *graph.edges.entry((from, to, edge)).or_insert(0) += 1;
            actor.supervisor.into_iter().for_each(|supervisor| add(supervisor, actor.id, Edge::Supervises));
            actor.monitors.iter().for_each(|target| add(actor.id, *target, Edge::Monitors));
            // Those that are in the list have said so themselves.
            let strangers = actor.monitored_by.iter().filter(|watcher| self.actor(**watcher).is_none());
            strangers.for_each(|watcher| add(*watcher, actor.id, Edge::Monitors));
            actor.waits_for.iter().for_each(|target| add(actor.id, *target, Edge::Waits));
            // Once for the pair.
            let once = |peer: &&ActorId| **peer > actor.id || self.actor(**peer).is_none();
            actor.links.iter().filter(once).for_each(|peer| add(actor.id, *peer, Edge::Linked));
        }
        for (from, to, _) in graph.edges.keys() {
            graph.nodes.entry(*from).or_insert(None);
            graph.nodes.entry(*to).or_insert(None);
        }
        graph
    }
}

/// The lines of a node.
fn label(id: ActorId, actor: Option<&ActorInfo>) -> Vec<String> {
    let Some(actor) = actor else { return vec![id.to_string()] };
    let mut lines: Vec<String> = actor.called().map(clean).into_iter().collect();
    lines.push(format!("{} {id}", actor.short_type()));
    lines
}

fn words(edge: Edge, times: usize) -> String {
    let word = match edge {
        Edge::Supervises => "supervises",
        Edge::Monitors => "monitors",
        Edge::Linked => "linked",
        Edge::Waits => "waits for",
    };
    if times == 1 { word.to_owned() } else { format!("{word} {times} times") }
}

/// As it stands within quotes in the language of Graphviz, which looks for entities there as well.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"")
}

/// As it stands within quotes in the language of Mermaid: whatever could mean something there by its number.
fn entities(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '_') {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}
