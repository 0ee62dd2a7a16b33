//! Acknowledged writes outlive SIGKILL, whenever it comes.

use super::{DAEMON, SUPERVISOR, begin, finish, kill, node, sh};

/// Applies one object after the other, and notes each that was acknowledged; then as many pods.
const APPLYING: &str = r#"
n=0
while [ ! -e enough ]; do
  n=$((n+1))
  if printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {number: "%d"}\n' $n $n | $ns timeout 20 kubectl create -f - >/dev/null 2>&1; then echo $n >> acknowledged; fi
  if [ $((n % 4)) = 0 ] && $ns timeout 20 kubectl run p$n --image=busybox -- sleep 1d >/dev/null 2>&1; then echo $n >> pods; fi
done
"#;

#[test]
fn what_was_acknowledged_is_there_and_what_was_wanted_comes_to_be() {
    let daemon = node();
    for round in 0..6 {
        let applying = begin(&daemon, APPLYING);
        sh(
            &daemon,
            &format!("until_ok '[ $(cat acknowledged | wc -l) -gt {} ]'", round + 3),
        );
        kill(
            &daemon,
            if round % 3 == 2 {
                &[SUPERVISOR, DAEMON]
            } else {
                &[DAEMON]
            },
        );
        daemon.gantry_ok(&["up", "-d"]);
        std::fs::write(daemon.directory.join("enough"), "").unwrap();
        finish(&daemon, applying);
        sh(
            &daemon,
            r#"
            rm enough
            k get configmaps -o jsonpath='{range .items[*]}{.data.number}{"\n"}{end}' | sort > there
            sort acknowledged | comm -23 - there | { ! grep . ; }
            for n in $(cat pods 2>/dev/null); do k wait --for=condition=Ready pod/p$n >/dev/null; done
            k delete pods --all --now >/dev/null
            k delete configmaps -l '!kubernetes.io/none' --field-selector metadata.name!=kube-root-ca.crt >/dev/null
            until_ok '[ -z "$(docker ps -aq --filter label=io.kubernetes.pod.name)" ]'
            "#,
        );
        for file in ["pods", "acknowledged"] {
            std::fs::write(daemon.directory.join(file), "").unwrap();
        }
    }
}
