//! Prints the table of shapes and the table of errors as JSON, for `clients/model/compare.py`.

use engine::{Action, Code};
use serde_json::{Map, Value, json};
use wire::shapes::{self, Kind, Structure};

fn main() {
    let actions = Action::ALL.iter().map(|action| {
        let shape = shapes::of(*action);
        let output = shape.output.as_ref().map(structure);
        (action.row().name.to_owned(), json!({ "input": structure(&shape.input), "output": output }))
    });
    let errors = Code::ALL.iter().map(|code| {
        let row = code.row();
        json!({
            "name": row.name,
            "namespace": row.namespace,
            "query": row.query,
            "status": row.status,
            "fault": row.fault.as_str(),
        })
    });
    let actions: Map<String, Value> = actions.collect();
    let errors: Vec<Value> = errors.collect();
    println!("{:#}", json!({ "actions": actions, "errors": errors }));
}

fn structure(structure: &Structure) -> Value {
    let members = structure.members.iter().map(|member| {
        let kind = kind(member.kind);
        let member_json = json!({ "query": member.query, "required": member.required, "kind": kind });
        (member.name.to_owned(), member_json)
    });
    json!({ "structure": structure.name, "members": members.collect::<Map<_, _>>() })
}

fn kind(kind: Kind) -> Value {
    match kind {
        Kind::String => json!("string"),
        Kind::Integer => json!("integer"),
        Kind::Long => json!("long"),
        Kind::Boolean => json!("boolean"),
        Kind::Blob => json!("blob"),
        Kind::Structure(shape) => structure(shape),
        Kind::List(item) => json!({ "list": self::kind(*item) }),
        Kind::Map(map) => json!({ "map": self::kind(map.kind), "key": map.key, "value": map.value }),
    }
}
