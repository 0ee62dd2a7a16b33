//! Jobs: counted once, retried, given up, taken away.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "completions",
        r#"
        $ k create job once --image=busybox -- echo done
        job.batch/once created
        $ k wait --for=condition=complete job/once
        job.batch/once condition met
        $ k logs job/once
        done
        $ k get job once
        NAME   STATUS     COMPLETIONS   DURATION   AGE
        once   Complete   1/1           [..]
        "#,
    ),
    case(
        "an indexed one knows its index",
        r#"
        $ k apply -f - <<END
        > apiVersion: batch/v1
        > kind: Job
        > metadata: {name: many}
        > spec:
        >   completions: 3
        >   parallelism: 2
        >   completionMode: Indexed
        >   template:
        >     spec:
        >       restartPolicy: Never
        >       containers: [{name: c, image: busybox, command: [sh, -c, 'echo index \$JOB_COMPLETION_INDEX']}]
        > END
        job.batch/many created
        $ k wait --for=condition=complete job/many
        job.batch/many condition met
        $ k logs -l job-name=many --tail=-1 | sort
        index 0
        index 1
        index 2
        $ k get job many -o jsonpath='{.status.succeeded} {.status.completedIndexes}'
        3 0-2
        "#,
    ),
    case(
        "one that fails is given up",
        r#"
        $ k apply -f - <<END
        > apiVersion: batch/v1
        > kind: Job
        > metadata: {name: bad}
        > spec:
        >   backoffLimit: 0
        >   template:
        >     spec:
        >       restartPolicy: Never
        >       containers: [{name: c, image: busybox, command: [sh, -c, 'exit 3']}]
        > END
        job.batch/bad created
        $ k wait --for=condition=failed job/bad
        job.batch/bad condition met
        $ k get job bad -o jsonpath='{.status.conditions[?(@.type=="Failed")].reason} {.status.failed}'
        BackoffLimitExceeded 1
        $ k get pods -l job-name=bad -o jsonpath='{.items[0].status.phase} {.items[0].status.containerStatuses[0].state.terminated.exitCode}'
        Failed 3
        "#,
    ),
];
