//! A full disk under the node: clear errors, nothing half done, and all is well once there is room.

use std::path::PathBuf;
use std::process::Command;

use testkit::daemon::{Daemon, Kind};
use testkit::registry::Registry;

use super::sh;

/// Of a registry that is not the node's own.
const PORT: u16 = 5055;

/// Room for a node and a small image, and not for much more.
const SIZE: &str = "120m";

/// A file system that goes with this value, whatever the test does.
pub(super) struct Disk(PathBuf);

impl Disk {
    pub(super) fn mount(at: PathBuf, size: &str) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&at)
            .status();
        assert!(mounted.unwrap().success());
        Self(at)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_gone_when_there_is_room() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let _registry = Registry::start(&daemon.namespace, PORT);
    let _disk = Disk::mount(daemon.directory.join("data"), SIZE);
    daemon.gantry_ok(&["up", "-d"]);
    daemon.load_images();
    sh(
        &daemon,
        r#"
        docker run -d --name runs busybox sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done' >/dev/null
        k run runs --image=busybox -- sleep 1d >/dev/null
        k wait --for=condition=Ready pod/runs >/dev/null
        # What is to come while there is no room: from elsewhere, from a file, from a container, from a client of our registry.
        r=localhost:5055/small; mkdir -p small; head -c 3000000 /dev/urandom > small/f; printf 'FROM busybox\nCOPY f /f\n' > small/Dockerfile
        docker build -q -t $r small >/dev/null; docker push -q $r >/dev/null; docker save -o small.tar $r; docker rmi $r >/dev/null; docker builder prune -af >/dev/null
        docker run --name changed busybox dd if=/dev/urandom of=/f bs=1M count=3 2>/dev/null
        left() { for each in data/content/blobs/sha256 data/content/ingest data/content/uploads data/content/beginnings data/snapshots; do ls $each; done | sort; }
        upload() { # A blob of three megabytes, in one request.
          $ns curl -s -i -X POST http://localhost:5000/v2/small/blobs/uploads/ | tr -d '\r' > begun
          at=$(sed -n 's/^[Ll]ocation: //p' begun); [ -n "$at" ] || { cat begun; return; }
          case $at in /*) at=http://localhost:5000$at;; esac
          case $at in *\?*) at=$at\&;; *) at=$at?;; esac
          $ns curl -s -i -X PUT -H 'Content-Type: application/octet-stream' --data-binary @small/f "${at}digest=sha256:$(sha256sum small/f | cut -d' ' -f1)"
        }
        images=$(docker images -q | sort); left > before
        # Full to the last byte; what the stores have reserved goes as well.
        dd if=/dev/zero of=data/fill bs=64k 2>/dev/null || :
        dd if=/dev/zero of=data/fill2 bs=1 count=65536 2>/dev/null || :
        head -c 900000 /dev/zero | tr '\0' x > value; n=0
        while k create configmap kept$n --from-file=value > said 2>&1; do n=$((n+1)); [ $n -lt 100 ]; done
        grep -q 'no space left' said
        fails() { if "$@" > said 2>&1; then echo "it succeeds: $*"; exit 1; fi; grep -qi 'no space left' said || { echo "$*:"; cat said; exit 1; }; }
        head -c 30000000 /dev/urandom > big; tar cf big.tar big
        fails docker import big.tar big:1
        printf 'FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=30\n' > Dockerfile; mkdir -p context; cp Dockerfile context
        fails docker build -q -t built context
        fails docker run --name late busybox true
        docker rm late >/dev/null 2>&1 || :
        fails docker pull $r
        fails docker load -i small.tar
        fails docker commit changed committed
        upload > said; ! grep -q '^HTTP/1.1 20' said; grep -qi 'no space left' said || { cat said; exit 1; }
        # What is deleted is deleted behind the scenes.
        turns=0; until left | cmp -s - before; do turns=$((turns+1)); [ $turns -lt 500 ] || { left | diff before -; exit 1; }; done
        # What runs, runs; what is asked, is answered; nothing is half done.
        docker exec runs true
        k get pods >/dev/null
        [ "$(docker images -q | sort)" = "$images" ]
        [ "$(k get configmaps --no-headers | grep -c kept)" = $n ]
        rm data/fill data/fill2
        k create configmap room --from-file=value >/dev/null
        docker volume create late >/dev/null; docker network create late >/dev/null
        docker run --rm --name late busybox true
        docker pull -q $r >/dev/null; docker load -i small.tar >/dev/null; docker commit changed committed >/dev/null; upload | grep -q '^HTTP/1.1 201'
        docker rmi $r committed >/dev/null; docker rm changed >/dev/null
        docker import big.tar big:1 >/dev/null
        k run more --image=busybox -- sleep 1d >/dev/null
        k wait --for=condition=Ready pod/more pod/runs >/dev/null
        "#,
    );
    daemon.gantry_ok(&["restart"]);
    sh(
        &daemon,
        "docker exec runs true; k get configmap room >/dev/null; docker volume inspect late >/dev/null; docker network inspect late >/dev/null; n=$(docker logs runs | wc -l); until_ok \"[ \\$(docker logs runs | wc -l) -gt $n ]\"",
    );
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
}
