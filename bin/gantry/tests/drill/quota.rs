//! A disk that fills up: what can be had again goes, the least recently used first; nothing else does, and pods are
//! refused before.

use testkit::daemon::{Daemon, Kind};
use testkit::registry::Registry;

use super::disk::Disk;
use super::{DAEMON, kill, sh};

/// Of the registry that images come from: not the node's own.
const PORT: u16 = 5055;

/// Images of 20 MB in the registry, which take twice as much here: as they came, and unpacked.
const IMAGES: &str = r#"
r=localhost:5055
for each in a b c d e; do
  head -c 20000000 /dev/urandom > $each.bin
  tar cf $each.tar $each.bin; rm $each.bin
  docker import -c 'CMD ["true"]' $each.tar $r/$each >/dev/null; rm $each.tar
  docker push -q $r/$each >/dev/null; docker rmi $r/$each >/dev/null
done
"#;

fn node(size: &str, options: &[&str]) -> (Daemon, Disk, Registry) {
    let daemon = Daemon::prepare(Kind::Gantry);
    let registry = Registry::start(&daemon.namespace, PORT);
    let disk = Disk::mount(daemon.directory.join("data"), size);
    daemon.gantry_ok(&[&["up", "-d"], options].concat());
    daemon.load_images();
    (daemon, disk, registry)
}

#[test]
fn what_can_be_had_again_goes_and_nothing_else() {
    let (daemon, _disk, _registry) = node("420m", &["--image-minimum-gc-age", "0s"]);
    sh(&daemon, IMAGES);
    sh(
        &daemon,
        r#"
        r=localhost:5055
        here() { docker image inspect $1 >/dev/null 2>&1; }
        name=$(k get nodes -o name)
        # It exists nowhere else: 40 MB. And a volume.
        head -c 20000000 /dev/urandom > mine; tar cf mine.tar mine; docker import mine.tar mine:1 >/dev/null; rm mine mine.tar
        docker volume create data >/dev/null
        docker run --rm -v data:/data busybox dd if=/dev/urandom of=/data/f bs=1M count=5 2>/dev/null
        docker pull -q $r/a >/dev/null; docker pull -q $r/b >/dev/null; docker pull -q $r/c >/dev/null
        docker create --name holds $r/a true >/dev/null
        docker tag $r/c given:1
        GANTRY_DOCKER_SOCKET=${DOCKER_HOST#unix://} $gantry df --explain > explained
        grep -q 'held by container holds' explained
        grep 'mine:1' explained | grep -q 'never: it exists nowhere else'
        grep 'given:1\|localhost:5055/c' explained | grep -q 'never: it exists nowhere else'
        grep "localhost:5055/b" explained | grep -q '^1 '
        # Over four fifths: b has waited longest of what may go.
        need=$(( ($(df -B1 --output=size data | tail -1) * 81 / 100 - $(df -B1 --output=used data | tail -1)) / 1048576 ))
        [ $need -gt 0 ] || { df -h data; exit 1; }
        dd if=/dev/zero of=data/fill bs=1M count=$need 2>/dev/null
        docker pull -q $r/d >/dev/null
        until_ok "! docker image inspect $r/b"
        here $r/a; here $r/c; here given:1; here mine:1
        docker events --since 0 --until $(( $(date +%s) + 1 )) --filter event=delete --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.reason}}' > told
        grep -q "^$r/b:latest the disk is [0-9]*% full, over 80%" told || { cat told; exit 1; }
        grep -q 'removed.*localhost:5055/b' data/log/gantry.log
        until_ok "\$ns kubectl get events -A | grep DiskSpaceReclaimed | grep 'Removed.*$r/b'"
        # Nearly full (the cluster's own rows want some room): all that may go has gone, and pods are refused.
        dd if=/dev/zero of=data/fill2 bs=1M count=$(( $(df -B1M --output=avail data | tail -1) - 8 )) 2>/dev/null
        until_ok "\$ns kubectl get events -A | grep FreeDiskSpaceFailed"
        until_ok "\$ns kubectl wait --for=condition=DiskPressure $name --timeout=50s"
        until_ok "\$ns kubectl get events -A | grep EvictionThresholdMet"
        here $r/a; here $r/c; here given:1; here mine:1; here busybox; docker volume inspect data >/dev/null
        until_ok "\$ns kubectl get $name -o jsonpath={.spec.taints} | grep disk-pressure"
        k run refused --image=busybox --overrides='{"spec": {"nodeName": "'${name#node/}'"}}' -- sleep 1d >/dev/null
        until_ok "\$ns kubectl get pod refused -o jsonpath={.status.reason} | grep Evicted"
        k get pod refused -o jsonpath={.status.message} | grep -q 'DiskPressure'
        rm data/fill data/fill2
        k wait --for=condition=DiskPressure=false $name --timeout=50s >/dev/null
        docker pull -q $r/b >/dev/null; docker create --name again $r/b true >/dev/null; docker run --rm mine:1 true 2>&1 | grep -q 'executable file not found'
        "#,
    );
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
}

/// Two builds, pulls, runs and prunes at once, and a quota that lets nothing rest: whoever has begun to use something
/// has it to the end. Then the daemon dies in the middle of collections.
#[test]
fn nothing_that_is_used_disappears() {
    let (daemon, _disk, _registry) = node("500m", &["--disk-quota", "1", "--image-minimum-gc-age", "5s"]);
    sh(&daemon, IMAGES);
    sh(
        &daemon,
        r#"
        r=localhost:5055
        context() { mkdir -p $1; printf 'FROM busybox\nRUN echo %s > /a; dd if=/dev/urandom of=/b bs=1k count=99 2>/dev/null\nRUN cat /a /b > /c\nCOPY Dockerfile /d\nCMD ["cat", "/a"]\n' $2 > $1/Dockerfile; }
        build() {
          for round in 1 2 3 4 5 6; do
            context $1 $1-$round
            docker build -q -t $1 $1 > built-$1 2>&1 || { cat built-$1; return 1; }
            [ "$(docker run --rm $1)" = $1-$round ] || { echo "$1 does not run"; return 1; }
          done
        }
        pulls() {
          for round in 1 2 3 4 5 6; do for each in a b; do
            docker pull -q $r/$each > pulled 2>&1 || { cat pulled; return 1; }
            docker create --name p-$each $r/$each true > created 2>&1 || { cat created; return 1; }
            docker image inspect $r/$each >/dev/null || { echo "the image of a container is gone"; return 1; }
            docker rm p-$each >/dev/null
          done; done
        }
        prunes() {
          while [ ! -e enough ]; do
            docker image prune -f > pruned 2>&1 || grep -q 'already running' pruned || { cat pruned; return 1; }
            docker builder prune -f > pruned2 2>&1 || grep -q 'already running' pruned2 || { cat pruned2; return 1; }
          done
        }
        trap 'touch enough' EXIT
        build one & one=$!; build two & two=$!; pulls & three=$!; prunes & four=$!
        wait $one; wait $two; wait $three; touch enough; wait $four
        [ "$(docker run --rm one)" = one-6 ]; [ "$(docker run --rm two)" = two-6 ]
        # What a build leaves to its next one, and what was pulled, may go; what is named, not.
        until_ok "! docker image inspect $r/a"
        docker image inspect one two busybox >/dev/null
        "#,
    );
    for _round in 0..5 {
        sh(
            &daemon,
            "r=localhost:5055; docker pull -q $r/a >/dev/null; docker pull -q $r/c >/dev/null; docker build -q -t three one >/dev/null",
        );
        kill(&daemon, &[DAEMON]);
        sh(
            &daemon,
            r#"
            until_ok "docker version"
            for each in $(docker images -q); do docker create --name of-$each $each true >/dev/null 2>&1 && docker rm of-$each >/dev/null || ! docker image inspect $each >/dev/null 2>&1; done
            [ "$(docker run --rm one)" = one-6 ]
            [ $(ls data/content/ingest | wc -l) = 0 ]
            "#,
        );
    }
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
}
