//! What only an archive of `docker save` tells of an image.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde_json::Value;
use tar::Archive;

/// No document of an image is as large; layers are.
const LARGEST: u64 = 1 << 18;

/// Of each entry of the history, whether it has made no layer.
pub(super) fn empty_layers(archive: impl Read) -> io::Result<Vec<bool>> {
    let documents = documents(archive)?;
    let manifest = documents.get("manifest.json").unwrap_or(&Value::Null);
    let config = manifest[0]["Config"].as_str().unwrap_or_default();
    let history = documents
        .get(config)
        .and_then(|config| config["history"].as_array());
    let history =
        history.ok_or_else(|| io::Error::other("the archive has no configuration with a history"))?;
    Ok(history.iter().map(|entry| entry["empty_layer"] == true).collect())
}

fn documents(archive: impl Read) -> io::Result<BTreeMap<String, Value>> {
    let (mut documents, mut archive) = (BTreeMap::new(), Archive::new(archive));
    for entry in archive.entries()? {
        let entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.size() <= LARGEST
            && let Ok(document) = serde_json::from_reader(entry)
        {
            documents.insert(path, document);
        }
    }
    Ok(documents)
}
