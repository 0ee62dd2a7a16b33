//! What is mounted: `Binds`, `Mounts`, `Tmpfs`, `VolumesFrom` and the volumes of the image.

use std::collections::BTreeSet;

use engine::spec::{MountKind, MountSpec, Propagation, VolumeSource};

use crate::convert::path::{clean, is_local};
use crate::error::ApiError;
use crate::wire::config::Config;
use crate::wire::host_config::{BindOptions, HostConfig, Mount, TmpfsOptions, VolumeOptions};

/// Everything mounted, in the order asked for; a volume of the image only where nothing else is.
///
/// `version_since_44`: before 1.44 a read-only bind left the mounts below its source writable.
pub(crate) fn mounts(config: &Config, host: &HostConfig, since_44: bool) -> Result<Vec<MountSpec>, ApiError> {
    let mut all = Vec::new();
    for bind in host.binds.iter().flatten() {
        all.push(parse_bind(bind, &host.volume_driver)?);
    }
    let binds = all.len();
    for mount in host.mounts.iter().flatten() {
        all.push(parse_mount(mount).map_err(|reason| invalid_config(mount, &reason))?);
    }
    refuse_duplicates(&all)?;
    let in_memory = host.tmpfs.iter().flatten();
    let in_memory = in_memory.map(|(target, options)| parse_tmpfs(target, options));
    let in_memory = in_memory.collect::<Result<Vec<_>, _>>()?;
    // `--tmpfs` wins over `--mount` at the same place, and over nothing else.
    let hidden = |mount: &MountSpec| in_memory.iter().any(|other| other.target == mount.target);
    let mut at = 0;
    all.retain(|mount| {
        at += 1;
        at <= binds || !hidden(mount)
    });
    all.extend(in_memory);
    refuse_duplicates(&all)?;
    let taken: BTreeSet<_> = all.iter().map(|mount| mount.target.clone()).collect();
    let wanted = config.volumes.iter().flatten().map(|(target, _)| clean(target));
    all.extend(wanted.filter(|target| !taken.contains(target)).map(anonymous));
    if !since_44 {
        all.iter_mut().for_each(keep_submounts_writable);
    }
    Ok(all)
}

fn anonymous(target: String) -> MountSpec {
    let source = VolumeSource::anonymous();
    MountSpec {
        target,
        read_only: false,
        kind: volume(source, false),
    }
}

fn volume(source: VolumeSource, no_copy: bool) -> MountKind {
    MountKind::Volume {
        source,
        no_copy,
        subpath: String::new(),
        propagation: None,
    }
}

fn keep_submounts_writable(mount: &mut MountSpec) {
    if let MountKind::Bind {
        read_only_non_recursive,
        ..
    } = &mut mount.kind
    {
        *read_only_non_recursive |= mount.read_only;
    }
}

fn refuse_duplicates(mounts: &[MountSpec]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match mounts.iter().find(|mount| !seen.insert(&mount.target)) {
        Some(mount) => Err(ApiError::bad(format!("Duplicate mount point: {}", mount.target))),
        None => Ok(()),
    }
}

fn invalid_config(mount: &Mount, reason: &str) -> ApiError {
    ApiError::bad(format!(
        "invalid mount config for type {:?}: {reason}",
        mount.kind
    ))
}

/// Upstream answers a malformed `-v` with 500.
fn invalid_bind(bind: &str) -> ApiError {
    ApiError::internal(format!("invalid volume specification: '{bind}'"))
}

/// The mode of a bind, word by word; of each kind at most one.
#[derive(Debug, Default, PartialEq)]
struct Mode {
    read_only: bool,
    no_copy: bool,
    propagation: Option<Propagation>,
}

fn parse_mode(text: &str) -> Option<Mode> {
    let mut mode = Mode::default();
    let mut kinds = BTreeSet::new();
    for word in text.split(',').filter(|_| !text.is_empty()) {
        let kind = match word {
            "rw" | "ro" => "access",
            "z" | "Z" => "label",
            "nocopy" => "copy",
            "consistent" | "cached" | "delegated" => "consistency",
            word => propagation(word).map(|_| "propagation")?,
        };
        if !kinds.insert(kind) {
            return None;
        }
        mode.read_only |= word == "ro";
        mode.no_copy |= word == "nocopy";
        mode.propagation = mode.propagation.or_else(|| propagation(word));
    }
    Some(mode)
}

fn propagation(word: &str) -> Option<Propagation> {
    [
        Propagation::Private,
        Propagation::Rprivate,
        Propagation::Shared,
        Propagation::Rshared,
        Propagation::Slave,
        Propagation::Rslave,
    ]
    .into_iter()
    .find(|known| known.as_str() == word)
}

/// `SOURCE:TARGET[:MODE]`, or a target alone for an anonymous volume.
fn parse_bind(bind: &str, driver: &str) -> Result<MountSpec, ApiError> {
    let parts: Vec<_> = bind.splitn(4, ':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] if parse_mode(target).is_none() => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(invalid_bind(bind)),
    };
    if parts[0].is_empty() || target.is_empty() {
        return Err(invalid_bind(bind));
    }
    let mode = parse_mode(mode).ok_or_else(|| ApiError::internal(format!("invalid mode: {mode}")))?;
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    let wrong = |reason: String| {
        let nested = format!("invalid mount config for type {kind:?}: {reason}");
        ApiError::internal(format!("invalid volume specification: '{bind}': {nested}"))
    };
    check_target(target)
        .and_then(|()| no_foreign_word(kind, &mode))
        .map_err(wrong)?;
    Ok(MountSpec {
        target: clean(target),
        read_only: mode.read_only,
        kind: bind_kind(source, driver, &mode),
    })
}

/// Refuses words of the other kind of mount.
fn no_foreign_word(kind: &str, mode: &Mode) -> Result<(), String> {
    let is_bind = kind == "bind";
    must_be(
        is_bind && mode.no_copy,
        "field VolumeOptions must not be specified",
    )?;
    must_be(
        !is_bind && mode.propagation.is_some(),
        "field BindOptions must not be specified",
    )
}

fn bind_kind(source: &str, driver: &str, mode: &Mode) -> MountKind {
    let propagation = mode.propagation;
    if source.starts_with('/') {
        return MountKind::Bind {
            source: clean(source),
            propagation,
            non_recursive: false,
            read_only_non_recursive: false,
            create_source: true,
        };
    }
    let source = named_volume(source, driver, None);
    MountKind::Volume {
        source,
        no_copy: mode.no_copy,
        subpath: String::new(),
        propagation,
    }
}

fn named_volume(name: &str, driver: &str, options: Option<&VolumeOptions>) -> VolumeSource {
    let labels = options.map(|options| options.labels.clone()).unwrap_or_default();
    let config = options
        .and_then(|options| options.driver_config.clone())
        .unwrap_or_default();
    let driver = if config.name.is_empty() {
        driver.to_owned()
    } else {
        config.name
    };
    let options = config.options;
    if name.is_empty() {
        return VolumeSource::Anonymous {
            driver,
            options,
            labels,
        };
    }
    VolumeSource::Named {
        name: name.into(),
        driver,
        options,
        labels,
    }
}

fn check_target(target: &str) -> Result<(), String> {
    if target.is_empty() {
        return Err("field Target must not be empty".into());
    }
    if clean(target) == "/" {
        return Err("invalid specification: destination can't be '/'".into());
    }
    absolute(target)
}

fn absolute(path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(format!(
            "invalid mount path: '{path}' mount path must be absolute"
        ))
    }
}

fn must_be(wrong: bool, sentence: impl Into<String>) -> Result<(), String> {
    if wrong { Err(sentence.into()) } else { Ok(()) }
}

/// Refuses options of another type of mount.
fn no_extra(mount: &Mount, own: &str) -> Result<(), String> {
    [
        ("BindOptions", mount.bind_options.is_some()),
        ("VolumeOptions", mount.volume_options.is_some()),
        ("ImageOptions", mount.image_options.is_some()),
        ("TmpfsOptions", mount.tmpfs_options.is_some()),
    ]
    .into_iter()
    .try_for_each(|(name, there)| {
        must_be(
            there && name != own,
            format!("field {name} must not be specified"),
        )
    })
}

fn parse_mount(mount: &Mount) -> Result<MountSpec, String> {
    check_target(&mount.target)?;
    let kind = match mount.kind.as_str() {
        "bind" => bind_mount(mount)?,
        "volume" => volume_mount(mount)?,
        "tmpfs" => tmpfs_mount(mount)?,
        _ => return Err("mount type unknown".into()),
    };
    Ok(MountSpec {
        target: clean(&mount.target),
        read_only: mount.read_only,
        kind,
    })
}

fn bind_mount(mount: &Mount) -> Result<MountKind, String> {
    must_be(mount.source.is_empty(), "field Source must not be empty")?;
    let options = mount.bind_options.clone().unwrap_or_default();
    let propagation = propagation_of(&options)?;
    no_extra(mount, "BindOptions")?;
    absolute(&mount.source)?;
    let conflict = options.read_only_non_recursive && options.read_only_force_recursive;
    must_be(
        conflict,
        "mount options conflict: read-only-non-recursive and read-only-force-recursive",
    )?;
    Ok(MountKind::Bind {
        source: clean(&mount.source),
        propagation,
        non_recursive: options.non_recursive,
        read_only_non_recursive: options.read_only_non_recursive,
        create_source: options.create_mountpoint,
    })
}

fn propagation_of(options: &BindOptions) -> Result<Option<Propagation>, String> {
    match options.propagation.as_str() {
        "" => Ok(None),
        word => propagation(word)
            .map(Some)
            .ok_or_else(|| format!("invalid propagation mode: {word}")),
    }
}

fn volume_mount(mount: &Mount) -> Result<MountKind, String> {
    no_extra(mount, "VolumeOptions")?;
    let options = mount.volume_options.clone().unwrap_or_default();
    let (anonymous, subpath) = (mount.source.is_empty(), options.subpath.clone());
    must_be(
        anonymous && !subpath.is_empty(),
        "must not set Subpath when using anonymous volumes",
    )?;
    must_be(
        !subpath.is_empty() && !is_local(&subpath),
        "subpath must be a relative path within the volume",
    )?;
    must_be(
        anonymous && mount.read_only,
        "must not set ReadOnly mode when using anonymous volumes",
    )?;
    let source = named_volume(&mount.source, "", Some(&options));
    Ok(MountKind::Volume {
        source,
        no_copy: options.no_copy,
        subpath,
        propagation: None,
    })
}

fn tmpfs_mount(mount: &Mount) -> Result<MountKind, String> {
    no_extra(mount, "TmpfsOptions")?;
    must_be(!mount.source.is_empty(), "field Source must not be specified")?;
    let options = mount.tmpfs_options.clone().unwrap_or_default();
    let words = tmpfs_words(&options)?;
    let size = u64::try_from(options.size_bytes).map_err(|_| "tmpfs size must be positive".to_owned())?;
    let mode = u32::try_from(options.mode).ok().filter(|mode| *mode != 0);
    Ok(MountKind::Tmpfs {
        size,
        mode,
        options: words,
    })
}

fn tmpfs_words(options: &TmpfsOptions) -> Result<Vec<String>, String> {
    let word = |option: &Vec<String>| match &option[..] {
        [name] if name == "exec" || name == "noexec" => Ok(name.clone()),
        [name, value] if name == "exec" || name == "noexec" => Ok(format!("{name}={value}")),
        [name] | [name, _] => Err(format!("invalid option: {name}")),
        _ => Err("invalid option array length".into()),
    };
    options.options.iter().map(word).collect()
}

/// `--tmpfs TARGET[:OPTIONS]`; a size or mode that is not a plain number stays the kernel's to read.
fn parse_tmpfs(target: &str, options: &str) -> Result<MountSpec, ApiError> {
    check_target(target).map_err(ApiError::bad)?;
    let (mut size, mut mode, mut words) = (0, None, Vec::new());
    for word in options
        .split(',')
        .filter(|word| !word.is_empty() && *word != "ro" && *word != "rw")
    {
        match word.split_once('=') {
            Some(("size", value)) if bytes(value).is_some() => size = bytes(value).unwrap_or(0),
            Some(("mode", value)) if u32::from_str_radix(value, 8).is_ok() => {
                mode = u32::from_str_radix(value, 8).ok();
            }
            _ => words.push(word.to_owned()),
        }
    }
    let read_only = options.split(',').any(|word| word == "ro");
    Ok(MountSpec {
        target: clean(target),
        read_only,
        kind: MountKind::Tmpfs {
            size,
            mode,
            options: words,
        },
    })
}

/// The kernel's notation of a size: a number with `k`, `m` or `g`.
fn bytes(text: &str) -> Option<u64> {
    let shift = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1]
        .parse::<u64>()
        .ok()?
        .checked_mul(1 << shift)
}

/// `CONTAINER[:MODE]` of `VolumesFrom`: the name and whether it is read-only.
pub(crate) fn volumes_from(text: &str) -> Result<(String, bool), ApiError> {
    if text.is_empty() {
        return Err(ApiError::bad(
            "volumes-from specification cannot be an empty string",
        ));
    }
    let (name, mode) = text.split_once(':').unwrap_or((text, ""));
    let invalid = || ApiError::bad(format!("invalid mode: {mode}"));
    let parsed = parse_mode(mode).ok_or_else(invalid)?;
    if parsed.propagation.is_some() || parsed.no_copy {
        return Err(invalid());
    }
    Ok((name.into(), parsed.read_only))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(host: Value) -> Result<Vec<MountSpec>, (u16, String)> {
        let host: HostConfig = serde_json::from_value(host).unwrap();
        mounts(&Config::default(), &host, true).map_err(|error| (error.status.as_u16(), error.message))
    }

    #[test]
    fn binds_are_read() {
        let mounts =
            read(json!({"Binds": ["/a:/b:ro,rshared", "vol:/c:nocopy", "/anon", "/x/../y:/z/"]})).unwrap();
        let brief: Vec<_> = mounts.iter().map(|m| (m.target.as_str(), m.read_only)).collect();
        assert_eq!(
            brief,
            [("/b", true), ("/c", false), ("/anon", false), ("/z", false)]
        );
        assert!(
            matches!(&mounts[0].kind, MountKind::Bind { source, propagation: Some(Propagation::Rshared), create_source: true, .. } if source == "/a")
        );
        assert!(
            matches!(&mounts[1].kind, MountKind::Volume { source: VolumeSource::Named { name, .. }, no_copy: true, .. } if name == "vol")
        );
        assert!(matches!(
            &mounts[2].kind,
            MountKind::Volume {
                source: VolumeSource::Anonymous { .. },
                ..
            }
        ));
        assert!(matches!(&mounts[3].kind, MountKind::Bind { source, .. } if source == "/y"));
    }

    #[test]
    fn mounts_are_read() {
        let mounts = read(json!({"Mounts": [
            {"Type": "bind", "Source": "/s", "Target": "/t", "ReadOnly": true, "BindOptions": {"Propagation": "rslave", "NonRecursive": true}},
            {"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"NoCopy": true, "Subpath": "d", "Labels": {"a": "b"}, "DriverConfig": {"Name": "local", "Options": {"type": "tmpfs"}}}},
            {"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 1024, "Mode": 448, "Options": [["noexec"]]}},
        ], "Tmpfs": {"/n": "size=2m,mode=755,noexec,size=50%"}}));
        let mounts = mounts.unwrap();
        assert!(matches!(
            &mounts[0].kind,
            MountKind::Bind {
                non_recursive: true,
                create_source: false,
                ..
            }
        ));
        assert!(
            matches!(&mounts[1].kind, MountKind::Volume { subpath, no_copy: true, .. } if subpath == "d")
        );
        assert_eq!(
            mounts[2].kind,
            MountKind::Tmpfs {
                size: 1024,
                mode: Some(0o700),
                options: vec!["noexec".into()]
            }
        );
        let words = vec!["noexec".into(), "size=50%".into()];
        assert_eq!(
            mounts[3].kind,
            MountKind::Tmpfs {
                size: 2 << 20,
                mode: Some(0o755),
                options: words
            }
        );
    }

    #[test]
    fn nonsense_is_refused_in_upstreams_words() {
        for (host, status, sentence) in [
            (
                json!({"Binds": ["x:y:z:w"]}),
                500,
                "invalid volume specification: 'x:y:z:w'",
            ),
            (
                json!({"Binds": ["/a:ro"]}),
                500,
                "invalid volume specification: '/a:ro'",
            ),
            (json!({"Binds": ["/a:/b:zz"]}), 500, "invalid mode: zz"),
            (json!({"Binds": ["/a:/b:ro,rw"]}), 500, "invalid mode: ro,rw"),
            (
                json!({"Binds": ["/a:rel"]}),
                500,
                "invalid volume specification: '/a:rel': invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute",
            ),
            (
                json!({"Binds": ["/a:/"]}),
                500,
                "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
            ),
            (
                json!({"Binds": ["/a:/b", "/c:/b/"]}),
                400,
                "Duplicate mount point: /b",
            ),
            (
                json!({"Mounts": [{"Type": "zz", "Target": "/a"}]}),
                400,
                "invalid mount config for type \"zz\": mount type unknown",
            ),
            (
                json!({"Mounts": [{"Type": "bind", "Target": "/a"}]}),
                400,
                "invalid mount config for type \"bind\": field Source must not be empty",
            ),
            (
                json!({"Mounts": [{"Type": "bind", "Source": "/a"}]}),
                400,
                "invalid mount config for type \"bind\": field Target must not be empty",
            ),
            (
                json!({"Mounts": [{"Type": "volume", "Target": "/a", "ReadOnly": true}]}),
                400,
                "invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous volumes",
            ),
            (
                json!({"Mounts": [{"Type": "volume", "Source": "v", "Target": "/a", "VolumeOptions": {"Subpath": "../x"}}]}),
                400,
                "invalid mount config for type \"volume\": subpath must be a relative path within the volume",
            ),
            (
                json!({"Mounts": [{"Type": "tmpfs", "Source": "v", "Target": "/a"}]}),
                400,
                "invalid mount config for type \"tmpfs\": field Source must not be specified",
            ),
            (
                json!({"Mounts": [{"Type": "tmpfs", "Target": "/a", "TmpfsOptions": {"Options": [["x"]]}}]}),
                400,
                "invalid mount config for type \"tmpfs\": invalid option: x",
            ),
            (
                json!({"Tmpfs": {"/": ""}}),
                400,
                "invalid specification: destination can't be '/'",
            ),
        ] {
            assert_eq!(read(host), Err((status, sentence.to_owned())));
        }
    }

    #[test]
    fn a_file_system_in_memory_hides_a_mount_but_no_bind() {
        let host = json!({
            "Mounts": [{"Type": "volume", "Source": "v", "Target": "/a"}, {"Type": "volume", "Source": "v", "Target": "/b"}],
            "Tmpfs": {"/a": ""},
        });
        let mounts = mounts(&Config::default(), &serde_json::from_value(host).unwrap(), true);
        let kinds: Vec<_> = mounts
            .unwrap()
            .into_iter()
            .map(|mount| (mount.target, matches!(mount.kind, MountKind::Tmpfs { .. })))
            .collect();
        assert_eq!(kinds, [("/b".into(), false), ("/a".into(), true)]);
        assert_eq!(
            read(json!({"Binds": ["v:/a"], "Tmpfs": {"/a": ""}})),
            Err((400, "Duplicate mount point: /a".into()))
        );
    }

    #[test]
    fn the_images_volumes_come_where_nothing_else_is() {
        let config: Config = serde_json::from_value(json!({"Volumes": {"/a": {}, "/b/": {}}})).unwrap();
        let host: HostConfig = serde_json::from_value(json!({"Binds": ["/x:/a"]})).unwrap();
        let targets: Vec<_> = mounts(&config, &host, true)
            .unwrap()
            .into_iter()
            .map(|m| m.target)
            .collect();
        assert_eq!(targets, ["/a", "/b"]);
    }

    #[test]
    fn volumes_from_has_a_mode() {
        assert_eq!(volumes_from("a"), Ok(("a".into(), false)));
        assert_eq!(volumes_from("a:ro"), Ok(("a".into(), true)));
        assert_eq!(
            volumes_from("a:rshared").unwrap_err().message,
            "invalid mode: rshared"
        );
        assert_eq!(
            volumes_from("").unwrap_err().message,
            "volumes-from specification cannot be an empty string"
        );
    }

    proptest! {
        #[test]
        fn no_bind_makes_it_panic(bind in "[a-z/:.,]{0,20}") {
            let _ = parse_bind(&bind, "");
            let _ = parse_tmpfs(&bind, &bind);
            let _ = volumes_from(&bind);
        }
    }
}
