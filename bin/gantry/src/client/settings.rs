//! What `gantry run` says of a container, as `POST /containers/create` takes it.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{publish, terminal, volume};

/// An option whose value cannot be used, in the docker client's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid(pub(super) String);

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Keep the program's input open, and send it ours.
    #[arg(short, long)]
    pub(super) interactive: bool,
    /// Give the program a terminal.
    #[arg(short, long)]
    pub(super) tty: bool,
    /// Remove the container when it ends.
    #[arg(long)]
    pub(super) rm: bool,
    /// What the container is called.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Set a variable; without a value, as it is set here.
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<String>,
    /// Publish a port on the host.
    #[arg(short, long, value_name = "[[IP:]HOST:]PORT[/PROTOCOL]")]
    publish: Vec<String>,
    /// Mount a volume or a directory of the host.
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// Where the program starts.
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Who the program runs as.
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The network to connect to.
    #[arg(long, default_value = "default")]
    network: String,
    /// Instead of the image's entrypoint; the image's command then does not count.
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// How much memory it may have, such as 512m.
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// What to do when it ends: `no`, `always`, `unless-stopped`, `on-failure[:RETRIES]`.
    #[arg(long, default_value = "no", value_name = "POLICY")]
    restart: String,
    /// The image, pulled if it is not there, and the program's arguments, instead of the image's command.
    // One list: whatever follows the image is the program's, also where it looks like an option of ours.
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "ARGS"])]
    words: Vec<String>,
}

impl Settings {
    pub(super) fn image(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// # Errors
    /// [`Invalid`].
    pub(super) fn body(&self, detach: bool) -> Result<Value, Invalid> {
        let ports = publish::parse(&self.publish)?;
        let volumes = volume::parse(&self.volume)?;
        let arguments = self.words.get(1..).unwrap_or_default();
        let mut body = json!({
            "Image": self.image(),
            "Env": environment(&self.env),
            "Tty": self.tty,
            "OpenStdin": self.interactive,
            "StdinOnce": self.interactive && !detach,
            "AttachStdin": self.interactive && !detach,
            "AttachStdout": !detach,
            "AttachStderr": !detach,
            "ExposedPorts": empty_objects(ports.keys()),
            "Volumes": empty_objects(&volumes.anonymous),
            "HostConfig": {
                "AutoRemove": self.rm,
                "ConsoleSize": terminal::console_size(self.tty && !detach),
                "Binds": volumes.binds,
                "NetworkMode": self.network,
                "PortBindings": ports,
                "RestartPolicy": self.restart_policy()?,
                "Memory": self.memory.as_deref().map(bytes).transpose()?.unwrap_or(0),
            },
        });
        let optional = [
            ("Cmd", (!arguments.is_empty()).then(|| json!(arguments))),
            (
                "Entrypoint",
                self.entrypoint.as_ref().map(|program| json!([program])),
            ),
            ("WorkingDir", self.workdir.as_ref().map(|dir| json!(dir))),
            ("User", self.user.as_ref().map(|user| json!(user))),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                body[key] = value;
            }
        }
        Ok(body)
    }

    fn restart_policy(&self) -> Result<Value, Invalid> {
        let (name, retries) = self.restart.split_once(':').unwrap_or((&self.restart, "0"));
        let retries: i64 = retries.parse().map_err(|_| {
            Invalid("invalid restart policy format: maximum retry count must be an integer".into())
        })?;
        if self.rm && name != "no" {
            return Err(Invalid(
                "conflicting options: cannot specify both --restart and --rm".into(),
            ));
        }
        Ok(json!({"Name": name, "MaximumRetryCount": retries}))
    }
}

/// As the API wants sets.
fn empty_objects<'a>(keys: impl IntoIterator<Item = &'a String>) -> Value {
    let objects = keys.into_iter().map(|key| (key.clone(), json!({})));
    objects.collect::<Map<_, _>>().into()
}

/// A key without a value has the one it has here; one that is not set here is left out.
pub(super) fn environment(given: &[String]) -> Vec<String> {
    let here: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let set = given.iter().filter_map(|word| match word.split_once('=') {
        Some(_) => Some(word.clone()),
        None => here.get(word).map(|value| format!("{word}={value}")),
    });
    set.collect()
}

/// `512m`, `1.5GiB`, `4096`: powers of 1024, in bytes.
fn bytes(text: &str) -> Result<i64, Invalid> {
    let invalid = || {
        Invalid(format!(
            "invalid argument \"{text}\" for \"-m, --memory\" flag: invalid size: '{text}'"
        ))
    };
    let lower = text.to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = lower[number.len()..].trim();
    let power = match unit {
        "" | "b" => 0,
        _ => {
            let letter = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(unit);
            ["k", "m", "g", "t", "p"]
                .iter()
                .position(|known| *known == letter)
                .ok_or_else(invalid)?
                + 1
        }
    };
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let bytes = number * 1024_f64.powi(i32::try_from(power).map_err(|_| invalid())?);
    if !(0.0..9e18).contains(&bytes) {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is within the range, and a part of a byte is none"
    )]
    Ok(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn body(words: &str) -> Result<Value, Invalid> {
        let words = std::iter::once("run").chain(words.split(' '));
        Line::try_parse_from(words).unwrap().settings.body(false)
    }

    #[test]
    fn options_become_what_the_api_takes() {
        let body =
            body("-it --rm -e A=1 -p 127.0.0.1:8080:80 -v /data -v v:/v:ro -m 1.5k -u 1:2 image sh -c -x")
                .unwrap();
        assert_eq!(body["Cmd"], json!(["sh", "-c", "-x"]));
        assert_eq!(body["Env"], json!(["A=1"]));
        assert_eq!(body["Volumes"], json!({"/data": {}}));
        assert_eq!(body["ExposedPorts"], json!({"80/tcp": {}}));
        assert_eq!(body["HostConfig"]["Binds"], json!(["v:/v:ro"]));
        assert_eq!(body["HostConfig"]["Memory"], 1536);
        let bindings = json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]});
        assert_eq!(body["HostConfig"]["PortBindings"], bindings);
        assert_eq!((&body["Tty"], &body["StdinOnce"]), (&json!(true), &json!(true)));
        assert!(body.get("Entrypoint").is_none());
    }

    #[test]
    fn what_follows_the_image_is_the_programs() {
        let body = body("image --rm -it").unwrap();
        assert_eq!(
            (&body["Cmd"], &body["Tty"]),
            (&json!(["--rm", "-it"]), &json!(false))
        );
    }

    #[test]
    fn what_contradicts_itself_is_said_before_anything_is_made() {
        assert!(
            body("--rm --restart always image")
                .unwrap_err()
                .0
                .contains("--restart and --rm")
        );
        assert!(
            body("--restart on-failure:x image")
                .unwrap_err()
                .0
                .contains("integer")
        );
        assert!(body("-m 5q image").unwrap_err().0.contains("5q"));
        assert!(body("-m=-5 image").is_err());
        let policy = body("--restart on-failure:3 image").unwrap()["HostConfig"]["RestartPolicy"].clone();
        assert_eq!(policy, json!({"Name": "on-failure", "MaximumRetryCount": 3}));
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, size) in [
            ("0", 0),
            ("10", 10),
            ("2b", 2),
            ("1K", 1024),
            ("1mb", 1 << 20),
            ("1 GiB", 1 << 30),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "m", "1x", "1e99g", "-1", "nan", "inf"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
