//! JSON over `Reader` and `Writer`: each request is a value, and so is each reply.

mod common;

use std::{error::Error, io::Write, net::TcpStream};

use serde_json::{Value, json};
use wscore::{OpCode, Replay, Role};
use wsutil::{Reader, Writer};

fn main() {
    common::run_upgraded("Answers JSON values with what they are.", serve);
}

fn serve(stream: &TcpStream, early_data: Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::new(Replay::new(early_data, stream), Role::Server);
    let mut writer = Writer::new(stream, Role::Server, OpCode::Text);
    while reader.next_frame()?.is_some() {
        let reply = match serde_json::from_reader::<_, Value>(&mut reader) {
            // The connection has ended, and nothing is written behind its end.
            Err(error) if error.is_io() => return Err(error.into()),
            Ok(value) => json!({ "type": kind(&value), "value": value }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        serde_json::to_writer(&mut writer, &reply)?;
        writer.flush()?;
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
