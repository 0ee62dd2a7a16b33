use super::*;

fn mount(written: &str) -> Result<Mount, String> {
    Mount::parse(written, &mut |word| Ok(word.replace("$V", "value")))
}

#[test]
fn mounts() {
    let bind = mount("target=/x,source=$V/y").unwrap();
    assert_eq!((bind.kind, bind.read_only), (MountKind::Bind, true));
    assert_eq!((bind.source.as_str(), bind.target.as_str()), ("value/y", "/x"));
    assert!(!mount("dst=/x,rw").unwrap().read_only);
    assert!(mount("dst=/x,readwrite=false").unwrap().read_only);
    let cache = mount("type=cache,target=/c,sharing=locked,mode=0700,uid=1,gid=2,id=i,from=s").unwrap();
    assert_eq!(cache.sharing, Some(Sharing::Locked));
    assert_eq!(
        (cache.mode, cache.uid, cache.gid),
        (Some(0o700), Some(1), Some(2))
    );
    assert_eq!((cache.from.as_deref(), cache.read_only), (Some("s"), false));
    assert_eq!(mount("type=tmpfs,dst=/t,size=1.5g").unwrap().size, 3 << 29);
    assert_eq!(
        mount("type=secret,id=s,env=E,required").unwrap().env.as_deref(),
        Some("E")
    );
    assert!(mount("type=ssh,required=1").unwrap().required);
    assert_eq!(
        Mount::from_of("type=bind,from=a,\"target=/b,c\"").as_deref(),
        Some("a")
    );
}

#[test]
fn refusals_are_upstreams() {
    for (written, sentence) in [
        ("type=bnd", "unsupported mount type \"bnd\" (did you mean bind?)"),
        (
            "tpye=bind",
            "unexpected key 'tpye' in 'tpye=bind' (did you mean type?)",
        ),
        ("target", "invalid field 'target' must be a key=value pair"),
        ("type=cache,sharing=x", "unsupported sharing value \"x\""),
        ("required", "unexpected key 'required' for mount type 'bind'"),
        ("size=1", "unexpected key 'size' for mount type 'bind'"),
        ("type=tmpfs,size=x", "invalid value for size: x"),
        ("ro=x", "invalid value for ro: x"),
        ("mode=8", "invalid value 8 for mode"),
        ("uid=-1", "invalid value -1 for uid"),
        ("mode=1", "mode not allowed for \"bind\" type mounts"),
        (
            "type=secret",
            "invalid secret mount. one of source, target required",
        ),
        ("type=secret,from=x,id=y", "secret mount should not have a from"),
        ("type=secret,source=x,id=y", "both source and id can't be set"),
        ("sharing=locked", "invalid cache sharing set for bind mount"),
        (
            "a\"b",
            "failed to parse csv mounts: parse error on line 1, column 2: bare \" in non-quoted field",
        ),
    ] {
        assert_eq!(mount(written).unwrap_err(), sentence, "{written}");
    }
    assert_eq!(
        check("from=$x").unwrap_err(),
        "'from' doesn't support variable expansion, define alias stage instead"
    );
    assert_eq!(check("from=x$"), Ok(()));
}

#[test]
fn devices() {
    let device = Device::parse("vendor/class=name,required").unwrap();
    assert_eq!(
        (device.name.as_str(), device.required),
        ("vendor/class=name", true)
    );
    assert_eq!(Device::parse("name=a").unwrap().name, "a");
    assert!(
        Device::parse("a,nmae=b")
            .unwrap_err()
            .ends_with("(did you mean name?)")
    );
    assert_eq!(
        Device::parse("a,b").unwrap_err(),
        "invalid field 'b' must be a key=value pair"
    );
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("512", Some(512)),
        ("1k", Some(1024)),
        ("2MiB", Some(2 << 20)),
        ("1 gb", Some(1 << 30)),
    ] {
        assert_eq!(size(text), bytes, "{text}");
    }
    for text in ["", "x", "1x", "-1", "1.2.3"] {
        assert_eq!(size(text), None, "{text}");
    }
}
