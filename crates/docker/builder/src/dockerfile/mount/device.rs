//! `RUN --device`.

use super::boolean;
use crate::dockerfile::{csv, suggest};

/// A `--device`: parsed so that its errors are upstream's; nothing here can give one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name (Container Device Interface).
    pub name: String,
    /// The step fails without it.
    pub required: bool,
}

impl Device {
    /// Reads a device.
    ///
    /// # Errors
    /// Upstream's sentence.
    pub fn parse(written: &str) -> Result<Self, String> {
        let fields = csv::fields(written).map_err(|error| format!("failed to parse csv devices: {error}"))?;
        let mut device = Self::default();
        for field in fields {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.to_lowercase(), Some(value)),
                None => (field.to_lowercase(), None),
            };
            match (key.as_str(), value) {
                ("required", None) => device.required = true,
                ("required", Some(value)) => device.required = boolean("required", value)?,
                ("name", Some(_)) if !device.name.is_empty() => {
                    return Err(format!("device name already set to {}", device.name));
                }
                ("name", Some(value)) => value.clone_into(&mut device.name),
                _ if device.name.is_empty() => device.name = field,
                (_, None) => return Err(format!("invalid field '{field}' must be a key=value pair")),
                (key, Some(_)) => {
                    let sentence = format!("unexpected key '{key}' in '{field}'");
                    return Err(suggest::hinted(sentence, key, ["name", "required"], true));
                }
            }
        }
        Ok(device)
    }
}
