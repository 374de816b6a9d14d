//! CBOR, in which CloudWatch is asked and answers. Everything here works with JSON, so it is turned into JSON where it
//! comes in and back where it goes out.

use anyhow::{Result, bail};
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Value};

/// The tag of seconds since 1970, without which the SDK takes no number for a time.
const SECONDS: Tag = Tag::new(1);

/// The JSON of what a program asks.
pub(crate) fn decode(body: &[u8]) -> Result<Value> {
    value(&mut Decoder::new(body))
}

fn value(decoder: &mut Decoder<'_>) -> Result<Value> {
    Ok(match decoder.datatype()? {
        Type::Null => {
            decoder.null()?;
            Value::Null
        }
        Type::Bool => decoder.bool()?.into(),
        Type::String => decoder.str()?.into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64()?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64()?.into(),
        Type::F16 | Type::F32 | Type::F64 => decoder.f64()?.into(),
        Type::Tag => {
            decoder.tag()?;
            value(decoder)?
        }
        Type::Array | Type::ArrayIndef => {
            let length = decoder.array()?;
            let mut items = Vec::new();
            while goes_on(decoder, length, items.len())? {
                items.push(value(decoder)?);
            }
            items.into()
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map()?;
            let mut members = Map::new();
            while goes_on(decoder, length, members.len())? {
                let name = decoder.str()?.to_owned();
                members.insert(name, value(decoder)?);
            }
            members.into()
        }
        other => bail!("a value of type {other} has no place in JSON"),
    })
}

/// Whether a list or object has more in it, whose length may be open.
fn goes_on(decoder: &mut Decoder<'_>, length: Option<u64>, read: usize) -> Result<bool> {
    if let Some(length) = length {
        return Ok(u64::try_from(read)? < length);
    }
    let goes_on = decoder.datatype()? != Type::Break;
    if !goes_on {
        decoder.skip()?;
    }
    Ok(goes_on)
}

/// The CBOR of an answer. Members whose name ends with `Timestamp` are times.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder, value)?;
    Ok(encoder.into_writer())
}

fn write(encoder: &mut Encoder<Vec<u8>>, value: &Value) -> Result<()> {
    match value {
        Value::Null => encoder.null()?,
        Value::Bool(fact) => encoder.bool(*fact)?,
        Value::String(text) => encoder.str(text)?,
        Value::Number(number) => match number.as_i64() {
            Some(whole) => encoder.i64(whole)?,
            None => encoder.f64(number.as_f64().unwrap_or_default())?,
        },
        Value::Array(items) => {
            encoder.array(u64::try_from(items.len())?)?;
            items.iter().try_for_each(|item| write(encoder, item))?;
            encoder
        }
        Value::Object(members) => {
            encoder.map(u64::try_from(members.len())?)?;
            for (name, member) in members {
                encoder.str(name)?;
                if name.ends_with("Timestamp") {
                    encoder.tag(SECONDS)?;
                }
                write(encoder, member)?;
            }
            encoder
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let answer = json!({
            "MetricAlarms": [{ "AlarmName": "a", "Threshold": 0.5, "Period": 300, "ActionsEnabled": true,
                               "StateUpdatedTimestamp": 1_700_000_000.5, "Unit": null, "Low": -1 }],
            "CompositeAlarms": [],
        });
        assert_eq!(decode(&encode(&answer).unwrap()).unwrap(), answer);
    }

    #[test]
    fn lengths_may_be_open() {
        let open = b"\xbf\x6aAlarmTypes\x9f\x61a\x61b\xff\xff";
        assert_eq!(decode(open).unwrap(), json!({ "AlarmTypes": ["a", "b"] }));
        assert!(decode(b"\xbf\x61a").is_err());
    }
}
