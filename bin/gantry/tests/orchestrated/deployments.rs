//! Deployments: built, applied, scaled, rolled over without a lost request, rolled back, healed.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "from a Dockerfile to a page",
        r#"
        $ cat > Dockerfile <<'END'
        > FROM busybox
        > RUN mkdir /www && echo page > /www/index.html
        > CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
        > END
        $ build -q -t $n:1 . | cut -c1-7
        sha256:
        $ k apply -f - <<END
        > apiVersion: apps/v1
        > kind: Deployment
        > metadata: {name: web}
        > spec:
        >   replicas: 2
        >   selector: {matchLabels: {app: web}}
        >   template:
        >     metadata: {labels: {app: web}}
        >     spec:
        >       terminationGracePeriodSeconds: 1
        >       containers:
        >       - {name: web, image: "$n:1", ports: [{name: http, containerPort: 8080}]}
        > ---
        > apiVersion: v1
        > kind: Service
        > metadata: {name: web}
        > spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
        > END
        deployment.apps/web created
        service/web created
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ k get deployment web
        NAME   READY   UP-TO-DATE   AVAILABLE   AGE
        web    2/2     2            2           [..]
        $ k get pods -o jsonpath='{range .items[*]}{.status.phase} {.spec.nodeName}{"\n"}{end}' | sort -u | wc -l
        1
        $ k wait --for=jsonpath='{.endpoints[1].conditions.ready}'=true endpointslice -l kubernetes.io/service-name=web | wc -l
        1
        $ ip=$(k get service web -o jsonpath='{.spec.clusterIP}') port=$(k get service web -o jsonpath='{.spec.ports[0].nodePort}')
        $ $ns busybox wget -qO- http://$ip/
        page
        $ $ns busybox wget -qO- http://127.0.0.1:$port/
        page
        $ docker ps --filter label=io.kubernetes.pod.namespace=$n --format '{{.Names}}' | sed "s/$n/NS/; s/web-[0-9a-f]*-...../POD/; s/[0-9a-f-]\{36\}/UID/"
        k8s_web_POD_NS_UID_0
        k8s_web_POD_NS_UID_0
        "#,
    ),
    case(
        "to ten and back",
        r#"
        $ k create deployment many --image=busybox -- sleep 1d
        deployment.apps/many created
        $ k scale deployment many --replicas=10
        deployment.apps/many scaled
        $ k rollout status deployment/many | tail -1
        deployment "many" successfully rolled out
        $ k get pods -l app=many -o jsonpath='{.items[*].status.podIP}' | tr ' ' '\n' | sort -u | wc -l
        10
        $ k scale deployment many --replicas=1
        deployment.apps/many scaled
        $ k wait --for=jsonpath='{.status.replicas}'=1 deployment/many
        deployment.apps/many condition met
        $ k delete deployment many --wait --cascade=foreground
        deployment.apps "many" deleted[..]
        "#,
    ),
    case(
        "a roll-over loses no request, though the image ends at once",
        r#"
        $ mkdir c; cd c
        $ for v in 1 2; do
        >   printf 'FROM busybox\nRUN mkdir /www && echo v%s > /www/index.html\nCMD trap "exit 0" TERM; httpd -f -p 80 -h /www & wait\n' $v | build -q -t $n:$v - >/dev/null
        > done
        $ k create deployment web --image=$n:1 --replicas=3
        deployment.apps/web created
        $ k expose deployment web --port=80
        service/web exposed
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ k wait --for=jsonpath='{.endpoints[2].conditions.ready}'=true endpointslice -l kubernetes.io/service-name=web | wc -l
        1
        $ ip=$(k get service web -o jsonpath='{.spec.clusterIP}')
        $ $ns busybox wget -qO- http://$ip/
        v1
        $ $ns sh -c 'i=0; while [ $i -lt 2000 ]; do timeout 5 busybox wget -qO- http://'$ip'/ || echo failed; i=$((i+1)); done' > answers & asking=$!
        $ k set image deployment/web '*'=$n:2
        deployment.apps/web image updated
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ wait $asking; sort answers | uniq -c | sed 's/[0-9]\{2,\}/N/'
        [..]N v1
        [..]N v2
        $ $ns busybox wget -qO- http://$ip/
        v2
        $ k rollout history deployment/web
        deployment.apps/web[..]
        REVISION  CHANGE-CAUSE
        1         <none>
        2         <none>
        [..]
        $ k rollout undo deployment/web
        deployment.apps/web rolled back
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ $ns busybox wget -qO- http://$ip/
        v1
        "#,
    ).within(240),
    case(
        "what ends is started again, what is deleted is replaced",
        r#"
        $ k create deployment web --image=busybox -- sleep 1d
        deployment.apps/web created
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ pod=$(k get pods -l app=web -o jsonpath='{.items[0].metadata.name}')
        $ docker kill $(docker ps -q --filter label=io.kubernetes.pod.name=$pod) | wc -l
        1
        $ k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/$pod | wc -l
        1
        $ k wait --for=condition=Ready pod/$pod | wc -l
        1
        $ k delete pod $pod --grace-period=1
        pod "[..]" deleted[..]
        $ k wait --for=jsonpath='{.status.availableReplicas}'=1 deployment/web
        deployment.apps/web condition met
        $ k get pods -l app=web -o name | grep -c $pod
        0
        ? 1
        "#,
    ),
];
