//! Queues that come, change and go: what was acknowledged of them must be there after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Failure};
use crate::random::Random;
use crate::world::{Life, World};

/// What all these queues' names begin with.
const PREFIX: &str = "passing-";
/// Queues at a time, at most.
const MOST: usize = 12;

/// What can be read of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    visibility: u64,
    tag: u64,
}

/// A change without reply: either may be found.
#[derive(Debug)]
struct Change {
    name: String,
    before: Option<Known>,
    after: Option<Known>,
}

/// The only client that touches these queues.
#[derive(Debug)]
pub struct Catalogue {
    random: Random,
    next: u64,
    queues: BTreeMap<String, Known>,
    unknown: Option<Change>,
}

impl Catalogue {
    /// Without queues.
    pub fn new(seed: u64) -> Catalogue {
        Catalogue { random: Random::of(seed, 3_000), next: 1, queues: BTreeMap::new(), unknown: None }
    }

    /// Makes, changes and deletes queues until the process dies or all are to halt.
    pub fn run(&mut self, world: &World, life: &Life) {
        let mut client = match Client::connect(life.address) {
            Ok(client) => client,
            Err(failure) => return world.fail("connect", &failure),
        };
        while !world.is_halted() {
            let (action, request, change) = self.choose(life);
            if let Err(failure) = client.call(action, &request) {
                self.unknown = Some(change);
                return world.fail(action, &failure);
            }
            self.adopt(change.name, change.after);
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn choose(&mut self, life: &Life) -> (&'static str, Value, Change) {
        let fresh = self.queues.is_empty() || self.queues.len() < MOST && self.random.percent(40);
        if fresh {
            return self.create();
        }
        let index = self.random.draw() as usize % self.queues.len();
        let (name, before) =
            self.queues.iter().nth(index).map(|(name, known)| (name.clone(), known.clone())).expect("one");
        let url = json!(format!("http://{}/000000000000/{name}", life.address));
        let mut after = before.clone();
        let (action, request) = match self.random.between(0, 2) {
            0 => {
                after.visibility = self.random.between(0, 43_200);
                let attributes = json!({ "VisibilityTimeout": after.visibility.to_string() });
                ("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": attributes }))
            }
            1 => {
                after.tag = self.random.between(0, 1_000);
                let tags = json!({ "tag": after.tag.to_string() });
                ("TagQueue", json!({ "QueueUrl": url, "Tags": tags }))
            }
            _ => {
                let change = Change { name, before: Some(before), after: None };
                return ("DeleteQueue", json!({ "QueueUrl": url }), change);
            }
        };
        (action, request, Change { name, before: Some(before), after: Some(after) })
    }

    fn create(&mut self) -> (&'static str, Value, Change) {
        let name = format!("{PREFIX}{}", self.next);
        self.next += 1;
        let known = Known { visibility: self.random.between(0, 43_200), tag: self.random.between(0, 1_000) };
        let request = json!({
            "QueueName": name,
            "Attributes": { "VisibilityTimeout": known.visibility.to_string() },
            "tags": { "tag": known.tag.to_string() },
        });
        ("CreateQueue", request, Change { name, before: None, after: Some(known) })
    }

    fn adopt(&mut self, name: String, known: Option<Known>) {
        match known {
            Some(known) => _ = self.queues.insert(name, known),
            None => _ = self.queues.remove(&name),
        }
    }

    /// Compares with what a started process has.
    pub fn check(&mut self, world: &World, life: &Life) {
        match read(life) {
            Ok(found) => self.compare(world, found),
            Err(failure) => world.fail("the catalogue after a start", &failure),
        }
    }

    fn compare(&mut self, world: &World, found: BTreeMap<String, Known>) {
        if let Some(change) = self.unknown.take() {
            let now = found.get(&change.name).cloned();
            if now != change.before && now != change.after {
                world.wrong(&format!("after a change without reply, {change:?}, there is {now:?}"));
            }
            self.adopt(change.name, now);
        }
        let names: BTreeSet<&String> = self.queues.keys().chain(found.keys()).collect();
        for name in names {
            let (known, now) = (self.queues.get(name), found.get(name));
            if known != now {
                world.wrong(&format!("queue {name} should be {known:?} and is {now:?}"));
            }
        }
        self.queues = found;
    }
}

fn read(life: &Life) -> Result<BTreeMap<String, Known>, Failure> {
    let mut client = Client::connect(life.address)?;
    let list = client.call("ListQueues", &json!({ "QueueNamePrefix": PREFIX }))?;
    let mut found = BTreeMap::new();
    for url in list["QueueUrls"].as_array().into_iter().flatten() {
        let of = json!({ "QueueUrl": url, "AttributeNames": ["VisibilityTimeout"] });
        let attributes = client.call("GetQueueAttributes", &of)?;
        let tags = client.call("ListQueueTags", &json!({ "QueueUrl": url }))?;
        let name = url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let known = Known {
            visibility: number(&attributes["Attributes"]["VisibilityTimeout"]),
            tag: number(&tags["Tags"]["tag"]),
        };
        found.insert(name.to_owned(), known);
    }
    Ok(found)
}

/// What is no number is none that we ever set.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(queues: &[(&str, u64)]) -> BTreeMap<String, Known> {
        queues.iter().map(|&(name, tag)| (name.to_owned(), Known { visibility: 30, tag })).collect()
    }

    fn wrongs(queues: &[(&str, u64)], unknown: Option<Change>, found: &[(&str, u64)]) -> usize {
        let world = World::new();
        let mut catalogue = Catalogue { queues: of(queues), unknown, ..Catalogue::new(1) };
        catalogue.compare(&world, of(found));
        world.ledger().wrongs.len()
    }

    #[test]
    fn what_is_missing_changed_or_back_is_found() {
        assert_eq!(wrongs(&[("a", 1), ("b", 2)], None, &[("a", 1), ("b", 2)]), 0);
        assert_eq!(wrongs(&[("a", 1), ("b", 2)], None, &[("a", 1)]), 1);
        assert_eq!(wrongs(&[("a", 1)], None, &[("a", 2)]), 1);
        assert_eq!(wrongs(&[("a", 1)], None, &[("a", 1), ("deleted", 2)]), 1);
    }

    #[test]
    fn a_change_without_reply_may_be_either() {
        let known = |tag| Some(Known { visibility: 30, tag });
        let change = |after| Some(Change { name: "a".to_owned(), before: known(1), after });
        assert_eq!(wrongs(&[("a", 1)], change(known(2)), &[("a", 2)]), 0);
        assert_eq!(wrongs(&[("a", 1)], change(known(2)), &[("a", 1)]), 0);
        assert_eq!(wrongs(&[("a", 1)], change(known(2)), &[("a", 3)]), 1);
        assert_eq!(wrongs(&[("a", 1)], change(None), &[]), 0);
        assert_eq!(wrongs(&[("a", 1)], change(known(2)), &[]), 1);
    }
}
