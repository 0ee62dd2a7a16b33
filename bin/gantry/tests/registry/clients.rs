//! Clients of today against our registry, and against Debian's docker-registry, which proves the cases.
//!
//! A case is a script; it fails with its first command that fails. `$r` is the registry with a directory of the case's own
//! (`localhost:5000/CASE`), `$reg` the registry; busybox is there as `$reg/start/busybox:1`, and `$reg/start/list:1` lists
//! two images. Clients are found by name: those of Debian's sid come first.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use testkit::daemon::{Daemon, all};
use testkit::registry::Registry;

/// Debian's, beside ours.
const PEER: u16 = 5055;

struct Case {
    name: &'static str,
    script: &'static str,
}

const fn case(name: &'static str, script: &'static str) -> Case {
    Case { name, script }
}

/// What every case begins with.
const PRELUDE: &str = r#"
set -eu
plain="--src-tls-verify=false --dest-tls-verify=false"
skopeo() { command skopeo --insecure-policy "$@"; }
digest() { oras resolve --plain-http $1; }
same() { test "$1" = "$2" || { echo "$1 is not $2" >&2; exit 1; }; }
"#;

/// Two images, and a list of them.
const START: &str = r#"
docker tag busybox $r/busybox:1; docker push -q $r/busybox:1
printf 'FROM busybox\nLABEL other=1\n' | DOCKER_BUILDKIT=0 docker build -q -t $r/other:1 - ; docker push -q $r/other:1
docker manifest create --insecure $r/list:1 $r/busybox:1 $r/other:1
docker manifest annotate $r/list:1 $r/other:1 --os linux --arch arm64 --variant v8
docker manifest push --insecure -p $r/list:1
"#;

const CASES: &[Case] = &[
    case(
        "oras",
        r#"
        echo hello > a.txt; echo world > b.txt
        oras push --plain-http $r/hello:v1,latest --artifact-type application/vnd.test a.txt:text/plain b.txt:text/plain
        oras pull --plain-http $r/hello:latest -o out; cmp a.txt out/a.txt; cmp b.txt out/b.txt
        oras attach --plain-http $r/hello:v1 --artifact-type application/vnd.test.sig -a key=value a.txt:text/plain
        oras attach --plain-http $r/hello:v1 --artifact-type application/vnd.test.sbom b.txt:text/plain
        oras discover --plain-http --format json $r/hello:v1 > all.json
        same 2 $(grep -c '"artifactType": "application/vnd.test.s' all.json)
        same 1 $(oras discover --plain-http --format json --artifact-type application/vnd.test.sig $r/hello:v1 | grep -c '"artifactType": "application/vnd.test.s')
        oras cp -r --from-plain-http --to-plain-http $r/hello:v1 $r/copy:v2
        oras discover --plain-http --format json $r/copy:v2 > copied.json
        same 2 $(grep -c '"artifactType": "application/vnd.test.s' copied.json)
        oras cp -r --from-plain-http --to-oci-layout $r/copy:v2 layout:v2
        oras cp -r --from-oci-layout --to-plain-http layout:v2 $r/back:v3
        same $(digest $r/hello:v1) $(digest $r/back:v3)
        oras tag --plain-http $r/hello:v1 v4
        oras repo tags --plain-http $r/hello | grep -v '^sha256-' > tags; printf 'latest\nv1\nv4\n' | cmp - tags
        oras repo ls --plain-http $reg | grep -c oras/
        oras blob push --plain-http $r/hello a.txt
        oras blob fetch --plain-http $r/hello@sha256:$(sha256sum a.txt | cut -d' ' -f1) --output fetched; cmp a.txt fetched
        oras manifest delete --plain-http --force $r/hello:v4
        ! oras manifest fetch --plain-http --descriptor $r/hello:v1 2> /dev/null
        "#,
    ),
    case(
        "skopeo",
        r#"
        skopeo copy -q --all --preserve-digests $plain docker://$reg/start/list:1 docker://$r/all:1
        same $(digest $reg/start/list:1) $(digest $r/all:1)
        skopeo copy -q --multi-arch system $plain docker://$r/all:1 docker://$r/one:1
        for format in oci v2s2; do
            skopeo copy -q --format $format $plain docker://$r/one:1 docker://$r/$format:1
            skopeo copy -q $plain docker://$r/$format:1 oci:layout:$format
        done
        skopeo copy -q --dest-compress-format zstd --dest-force-compress-format --format oci $plain docker://$r/one:1 docker://$r/zstd:1
        skopeo inspect --raw --tls-verify=false docker://$r/zstd:1 | grep -c 'tar+zstd'
        skopeo sync --all --src docker --dest docker $plain $r/all $reg/synced
        skopeo delete --tls-verify=false docker://$r/zstd:1
        skopeo list-tags --tls-verify=false docker://$r/all | grep -c '"1"'
        docker pull -q $r/v2s2:1; docker run --rm $r/v2s2:1 echo it runs | grep -c 'it runs'
        "#,
    ),
    case(
        "podman",
        r#"
        podman() { command podman --storage-driver vfs --root "$PWD/root" --runroot "$PWD/run" --tmpdir "$PWD/tmp" "$@"; }
        podman pull -q --tls-verify=false $reg/start/list:1
        for format in oci v2s2; do podman push -q --tls-verify=false --format $format $reg/start/list:1 docker://$r/$format:1; done
        for how in zstd zstd:chunked; do
            podman push -q --tls-verify=false --format oci --compression-format $how --force-compression $reg/start/list:1 docker://$r/$(echo $how | tr : -):1
            podman pull -q --tls-verify=false $r/$(echo $how | tr : -):1
        done
        podman manifest create $r/list:1; podman manifest add --all --tls-verify=false $r/list:1 docker://$reg/start/list:1
        podman manifest push -q --all --tls-verify=false $r/list:1 docker://$r/list:1
        podman search --tls-verify=false --list-tags $r/list | grep -c list
        echo hello > a.txt; podman artifact add $r/artifact:1 a.txt; podman artifact push -q --tls-verify=false $r/artifact:1
        podman artifact rm $r/artifact:1; podman artifact pull -q --tls-verify=false $r/artifact:1
        podman rmi -a -f
        docker pull -q $r/zstd:1; docker run --rm $r/zstd:1 echo it runs | grep -c 'it runs'
        "#,
    ),
    case(
        "buildah",
        r#"
        buildah() { command buildah --storage-driver vfs --root "$PWD/root" --runroot "$PWD/run" "$@"; }
        buildah pull -q --tls-verify=false $reg/start/busybox:1
        printf 'FROM %s\nLABEL a=b\n' $reg/start/busybox:1 > Containerfile
        buildah build -q --tls-verify=false --isolation chroot -t $r/built:1 .
        buildah push -q --tls-verify=false $r/built:1 docker://$r/built:1
        docker pull -q $r/built:1; same b "$(docker image inspect -f '{{.Config.Labels.a}}' $r/built:1)"
        buildah rmi -a -f
        "#,
    ),
    case(
        "ctr",
        r#"
        cat > config.toml <<END
version = 3
root = "$PWD/root"
state = "$PWD/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
[grpc]
address = "$PWD/ctr.sock"
[ttrpc]
address = "$PWD/ttrpc.sock"
END
        containerd --config config.toml --log-level error > log 2>&1 & trap "kill $!; wait $!" EXIT
        ctr() { command ctr --address "$PWD/ctr.sock" "$@"; }
        timeout 20 sh -c 'until test -S ctr.sock; do :; done'
        ctr images pull --local --plain-http --snapshotter native --all-platforms $reg/start/list:1
        ctr content fetch --plain-http $reg/start/busybox:1
        ctr images push --local --plain-http $r/local:1 $reg/start/list:1
        ctr images tag $reg/start/list:1 $r/list:2; ctr images push --plain-http $r/list:2
        for tag in local:1 list:2; do same $(digest $reg/start/list:1) $(digest $r/$tag); done
        ctr content push-object --plain-http $r/objects $(ctr content ls -q | head -1) text/plain
        "#,
    ),
    case(
        "docker manifest, buildx imagetools",
        r#"
        docker manifest inspect --insecure $reg/start/list:1 | grep -c arm64
        docker buildx imagetools create -t $r/tools:1 $reg/start/busybox:1
        docker buildx imagetools create -t $r/tools:2 $reg/start/busybox:1 $reg/start/list:1
        docker buildx imagetools create --append -t $r/tools:2 --annotation index:a=b $reg/start/other:1
        docker buildx imagetools inspect $r/tools:2 | grep -c Platform
        docker buildx imagetools inspect --raw $r/tools:2 | grep -c manifests
        docker pull -q $r/tools:2; docker run --rm $r/tools:2 echo it runs | grep -c 'it runs'
        ! docker buildx imagetools inspect $r/tools:none 2> /dev/null
        "#,
    ),
    case(
        "docker-py",
        r#"
        cat > client.py <<END
import docker, sys
name, host = sys.argv[1], sys.argv[2]
client = docker.from_env()
image = client.images.get('busybox')
image.tag(name, '1')
said = [line for line in client.api.push(name, '1', stream=True, decode=True)]
assert not any('error' in line for line in said), said
pushed = [line['aux'] for line in said if 'aux' in line]
assert len(pushed) == 1 and pushed[0]['Tag'] == '1', said
client.images.remove(name + ':1')
assert client.images.pull(name, '1').id == image.id
assert [each.id for each in client.images.pull(name, all_tags=True)] == [image.id]
about = client.images.get_registry_data(name + ':1')
assert about.id == pushed[0]['Digest'], about.id
assert about.has_platform('linux/amd64')
assert client.images.pull(name + '@' + about.id).id == image.id
assert name + ':1' in client.images.get(name + ':1').tags
for wrong in [lambda: client.images.pull(name, 'none'), lambda: client.images.get_registry_data(name + ':none')]:
    try:
        wrong()
    except docker.errors.NotFound as error:
        assert error.status_code == 404
    else:
        raise AssertionError('it is there')
END
        /usr/bin/python3 client.py $r/py $reg
        "#,
    ),
    case(
        "catalogue, page by page",
        r#"
        for name in a b c; do skopeo copy -q $plain docker://$reg/start/busybox:1 docker://$r/$name:1; done
        next="/v2/_catalog?n=2"; : > names
        while test -n "$next"; do
            curl --silent --fail --dump-header head "http://$reg$next" | grep -o '"[a-z0-9/_-]*"' | tr -d '"' | grep / >> names
            next=$(sed -n 's/^[Ll]ink: <\([^>]*\)>.*/\1/p' head | tr -d '\r' | sed 's#^http://[^/]*##')
        done
        same 3 $(grep -c '^catalogue' names); same 0 $(sort names | uniq -d | wc -l)
        "#,
    ),
];

/// Runs a script, and says what it has said if it fails.
fn run(daemon: &Daemon, registry: &str, case: &Case) -> Option<String> {
    let word = case.name.split([' ', ',']).next().unwrap_or_default();
    let place = daemon
        .directory
        .join("work")
        .join(registry.replace(':', "-"))
        .join(word);
    fs::create_dir_all(&place).unwrap();
    let bin = testkit::clients::client("oras");
    let bin = bin.parent().unwrap_or(Path::new("/"));
    let mut command = daemon.namespace.command("timeout --kill-after=5 100 sh -c");
    command
        .arg(format!(
            "{PRELUDE}r={registry}/{word} reg={registry}\n{}",
            case.script
        ))
        .current_dir(&place)
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
        .env("HOME", &place)
        .env("XDG_RUNTIME_DIR", &place)
        .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
        .env("DOCKER_HOST", daemon.host())
        .env("DOCKER_CONFIG", daemon.directory.join("config"))
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    (!output.status.success()).then(|| format!("{registry}, {}: {}", case.name, all(&output)))
}

#[test]
fn todays_clients_find_both_registries_alike() {
    let daemon = super::node();
    let _peer = Registry::start(&daemon.namespace, PEER);
    testkit::clients::docker_config(&daemon.directory.join("config"));
    let registries = ["localhost:5000".to_owned(), format!("localhost:{PEER}")];
    let mut failures = Vec::new();
    for registry in &registries {
        let start = case("start", START);
        failures.extend(run(&daemon, registry, &start));
        failures.extend(CASES.iter().filter_map(|each| run(&daemon, registry, each)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// docker-py, as Testcontainers and others drive it: its own login, its file of credentials, helpers for one registry and for
/// all, and a private base. `$user` and `$secret` are let in.
const PRIVATE: Case = case(
    "private",
    r#"
    mkdir bin cfg-none cfg-auths cfg-helper cfg-store
    cat > bin/docker-credential-test <<'END'
#!/bin/sh
case $1 in
    get) read host; test "$host" = "$REG" || { echo 'credentials not found in native keychain'; exit 1; }
        echo "{\"ServerURL\":\"$host\",\"Username\":\"user\",\"Secret\":\"secret\"}" ;;
    list) echo "{\"$REG\":\"user\"}" ;;
    *) exit 1 ;;
esac
END
    chmod +x bin/docker-credential-test; export REG=$reg PATH=$PWD/bin:$PATH
    echo "{\"auths\":{\"$reg\":{\"auth\":\"$(printf user:secret | base64)\"}}}" > cfg-auths/config.json
    echo "{\"credHelpers\":{\"$reg\":\"test\"}}" > cfg-helper/config.json
    echo "{\"credsStore\":\"test\"}" > cfg-store/config.json
    cat > client.py <<'END'
import docker, io, os, sys
name, host = sys.argv[1], sys.argv[2]

def client(config):
    os.environ['DOCKER_CONFIG'] = os.path.join(os.getcwd(), config)
    return docker.from_env()

def refused(work, *statuses):
    try:
        work()
    except docker.errors.APIError as error:
        assert error.status_code in statuses, (error.status_code, error)
        return
    raise AssertionError('nobody minded')

def forget():
    for tag in [name + ':1', name + ':built']:
        try:
            nobody.images.remove(tag, force=True)
        except docker.errors.ImageNotFound:
            pass

nobody, known = client('cfg-none'), client('cfg-none')
refused(lambda: known.login('user', 'wrong', registry=host, reauth=True), 401)
assert known.login('user', 'secret', registry=host)['Status'] == 'Login Succeeded'
nobody.images.get('busybox').tag(name, '1')
said = list(nobody.api.push(name, '1', stream=True, decode=True))
assert any('error' in line for line in said), said
said = list(known.api.push(name, '1', stream=True, decode=True))
assert not any('error' in line for line in said), said
forget()
refused(lambda: nobody.images.pull(name, '1'), 401, 404, 500)
for who in [known, client('cfg-auths'), client('cfg-helper'), client('cfg-store')]:
    forget()
    assert name + ':1' in who.images.pull(name, '1').tags
    forget()
    file = io.BytesIO(f'FROM {name}:1\nLABEL a=b\n'.encode())
    image, _ = who.images.build(fileobj=file, tag=name + ':built', pull=True)
    assert image.labels['a'] == 'b', image.labels
wrong = {'username': 'user', 'password': 'wrong'}
forget()
refused(lambda: nobody.images.pull(name, '1', auth_config=wrong), 401, 404, 500)
right = {'username': 'user', 'password': 'secret'}
nobody.images.pull(name, '1', auth_config=right)
END
    /usr/bin/python3 client.py $r/app $reg
    "#,
);

#[test]
fn a_library_shows_its_credentials_as_docker_does() {
    let daemon = super::node();
    let _peer = Registry::with_users(&daemon.namespace, PEER);
    let failure = run(&daemon, &format!("localhost:{PEER}"), &PRIVATE);
    assert_eq!(failure, None);
}
