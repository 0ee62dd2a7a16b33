//! Networks, names and published ports.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "network create, ls, inspect, rm",
        r#"
        $ docker network create --subnet 10.77.0.0/24 --gateway 10.77.0.9 --ip-range 10.77.0.128/25 --label a=b $n | wc -c
        65
        $ docker network inspect -f '{{.Driver}} {{.Scope}} {{.Internal}} {{json .IPAM.Config}} {{json .Labels}}' $n
        bridge local false [{"Subnet":"10.77.0.0/24","IPRange":"10.77.0.128/25","Gateway":"10.77.0.9"}] {"a":"b"}
        $ docker network ls --filter name=$n --format '{{.Name}} {{.Driver}} {{.Scope}}' | sed "s/$n/N/"
        N bridge local
        $ docker network create $n 2>&1 | sed "s/$n/N/"
        Error response from daemon: network with name N already exists
        $ docker network rm $n | sed "s/$n/N/"
        N
        $ docker network inspect $n 2>&1 | sed "s/$n/N/"
        []
        Error response from daemon: network N not found
        $ docker network rm bridge
        Error response from daemon: bridge is a pre-defined network and cannot be removed
        ...
        ? 1
        "#,
    )
    .not_dockerd("20.10 says `No such network`"),
    case(
        "the networks that are always there",
        r#"
        $ docker network ls --format '{{.Name}} {{.Driver}}' | grep -E '^(bridge|host|none) ' | sort
        bridge bridge
        host host
        none null
        "#,
    ),
    case(
        "names and aliases are found",
        r#"
        $ docker network create $n >/dev/null
        $ docker run -d --name $n-web --network $n --network-alias www busybox sh -c 'echo page > /var/www/index.html; exec httpd -f -h /var/www' >/dev/null
        $ docker run --rm --network $n busybox sh -c "until wget -qO- http://$n-web; do sleep 0.1; done; wget -qO- http://www"
        page
        page
        $ docker run --rm --network $n busybox nslookup no-such-name-here >/dev/null 2>&1
        ? 1
        $ docker run --rm --network $n --link $n-web:linked busybox wget -qO- http://linked
        page
        $ docker rm -f $n-web >/dev/null; docker network rm $n >/dev/null
        "#,
    ),
    case(
        "a link may come before its container",
        r#"
        $ docker network create $n >/dev/null; docker run -d --name $n --network $n --link $n-late:late busybox sleep 60 >/dev/null
        $ docker inspect -f "{{json (index .NetworkSettings.Networks \"$n\").Links}}" $n | sed "s/$n/N/"
        ["N-late:late"]
        $ docker exec $n ping -c 1 -W 1 late 2>&1
        ping: bad address 'late'
        ? 1
        $ docker run -d --name $n-late --network $n busybox sleep 60 >/dev/null; docker exec $n ping -c 1 -W 2 late >/dev/null
        $ docker rm -f $n $n-late >/dev/null; docker network rm $n >/dev/null
        "#,
    ),
    case(
        "--ip, --mac-address",
        r#"
        $ docker network create --subnet 10.78.0.0/24 $n >/dev/null
        $ docker run --rm --network $n --ip 10.78.0.55 --mac-address 02:42:11:22:33:44 busybox ip addr show eth0 | grep -E 'inet |ether' | awk '{print $2}'
        02:42:11:22:33:44
        10.78.0.55/24
        $ docker run --rm --network $n --ip 10.99.0.5 busybox true 2>&1 | grep -o 'no configured subnet.*'
        no configured subnet[..] 10.99.0.5[..]
        $ docker run --rm --ip 172.17.0.200 busybox true 2>&1 | grep -o 'specified IP address is supported.*'
        specified IP address is supported on user defined networks only[..]
        $ docker network rm $n >/dev/null
        "#,
    )
    .not_dockerd("20.10 words these otherwise"),
    case(
        "connect and disconnect",
        r#"
        $ docker network create --subnet 10.79.0.0/24 $n >/dev/null; docker run -d --name $n busybox sleep 60 >/dev/null
        $ docker network connect --ip 10.79.0.7 --alias other $n $n; docker exec $n ip -4 addr show eth1 | grep -o 'inet [0-9./]*'
        inet 10.79.0.7/24
        $ docker inspect -f "{{(index .NetworkSettings.Networks \"$n\").IPAddress}}" $n
        10.79.0.7
        $ docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' $n | sed "s/$n/N/"
        N 10.79.0.7/24
        $ docker network rm $n 2>&1 | sed "s/$n/N/; s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: error while removing network: network N [..]has active endpoints[..]
        ...
        $ docker network disconnect $n $n; docker exec $n ip link show eth1 2>&1 | head -1
        ip: can't find device 'eth1'
        $ docker rm -f $n >/dev/null; docker network rm $n >/dev/null
        "#,
    ),
    case(
        "-p",
        r#"
        $ docker run -d --name $n -p 127.0.0.1:8123:80 -p 8124:80 busybox sh -c 'echo page > /var/www/index.html; exec httpd -f -h /var/www' >/dev/null
        $ until docker exec $n wget -qO- http://127.0.0.1 >/dev/null 2>&1; do :; done
        $ docker port $n | sort
        80/tcp -> 0.0.0.0:8124
        80/tcp -> 127.0.0.1:8123
        80/tcp -> [::]:8124
        $ $ns busybox wget -qO- http://127.0.0.1:8123
        page
        $ $ns busybox wget -qO- http://127.0.0.1:8124
        page
        $ docker port $n 80/tcp | head -1
        [..]:812[..]
        $ docker port $n 81 2>&1 | sed "s/$n/N/"
        Error: No public port '81[..]' published for N
        $ docker run --rm -p 8124:80 busybox true 2>&1 | head -1
        docker: Error response from daemon: [..]8124[..]already [..]
        $ docker rm -f $n >/dev/null
        $ $ns busybox nc -w 2 127.0.0.1 8124
        nc: can't connect to remote host (127.0.0.1): Connection refused
        ? 1
        "#,
    ),
    case(
        "-P and an image's ports",
        r#"
        $ docker run -d --name $n -P --expose 80 --expose 90/udp busybox sleep 60 >/dev/null
        $ docker port $n | sed 's/:[0-9]*$/:PORT/' | sort -u
        80/tcp -> 0.0.0.0:PORT
        80/tcp -> [::]:PORT
        90/udp -> 0.0.0.0:PORT
        90/udp -> [::]:PORT
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "host, none and another's network",
        r#"
        $ test $(docker run --rm --network host busybox readlink /proc/self/ns/net) = $($ns readlink /proc/self/ns/net)
        $ docker run --rm --network none busybox ip -o addr | awk '{print $2, $4}' | grep -v ::1
        lo 127.0.0.1/8
        $ docker run -d --name $n busybox sleep 60 >/dev/null; test $(docker run --rm --network container:$n busybox readlink /proc/self/ns/net) = $(docker exec $n readlink /proc/self/ns/net)
        $ docker run --rm --network container:$n -p 80:80 busybox true 2>&1 | head -1
        docker: [..]onflicting options: port publishing and the container type network mode
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "containers of one bridge reach each other, of two do not",
        r#"
        $ docker network create $n-a >/dev/null; docker network create $n-b >/dev/null
        $ docker run -d --name $n-1 --network $n-a busybox sleep 60 >/dev/null; ip=$(docker inspect -f "{{(index .NetworkSettings.Networks \"$n-a\").IPAddress}}" $n-1)
        $ docker run --rm --network $n-a busybox ping -c 1 -W 2 $ip >/dev/null
        $ docker run --rm --network $n-b busybox ping -c 1 -W 1 $ip >/dev/null
        ? 1
        $ docker rm -f $n-1 >/dev/null; docker network rm $n-a $n-b >/dev/null
        "#,
    ),
    case(
        "--internal",
        r#"
        $ docker network create --internal $n >/dev/null; docker run --rm --network $n busybox ip route | grep -c default
        0
        ? 1
        $ docker network rm $n >/dev/null
        "#,
    )
    .not_dockerd("older engines leave a default route there"),
    case(
        "the bridge's address and the gateway",
        r#"
        $ docker run --rm busybox sh -c 'ip route | awk "/default/{print \$3}"; ip -4 addr show eth0 | grep -o "inet 172.17[0-9.]*/16" | cut -d. -f1,2' | sed 's/inet //'
        172.17.0.1
        172.17
        $ docker run --rm busybox sh -c 'ping -c 1 -W 2 172.17.0.1 >/dev/null && echo reached'
        reached
        "#,
    ),
    case(
        "what no network can be",
        r#"
        $ docker network create --subnet 10.80.0.0/33 $n 2>&1
        ...
        [..]10.80.0.0/33[..]
        ? 1
        $ docker network create --driver no-such $n 2>&1 | head -1
        Error response from daemon: [..]no-such[..]
        $ docker network create --subnet 172.17.0.0/24 $n 2>&1
        Error response from daemon: [..]overlaps with other one on this address space
        ? 1
        $ docker network connect no-such-$n no-such-$n 2>&1 | sed "s/$n/N/g"
        Error response from daemon: [..]o[..]such-N[..]
        "#,
    ),
    case(
        "a container without a network is connected to none",
        r#"
        $ docker network create $n >/dev/null; docker create --name $n --network none busybox >/dev/null
        $ docker network connect $n $n
        Error response from daemon: container cannot be connected to multiple networks with one of the networks in private (none) mode
        ? 1
        $ docker network inspect -f '{{json .IPAM.Options}}' $n
        {}
        $ docker rm $n >/dev/null; docker network rm $n >/dev/null
        "#,
    ),
    case(
        "the host's network and none have endpoints",
        r#"
        $ for net in host none; do id=$(docker run -d --network $net busybox sleep 60); docker inspect -f "{{len (index .NetworkSettings.Networks \"$net\").EndpointID}}" $id; docker network inspect -f "{{with index .Containers \"$id\"}}{{len .EndpointID}}-{{.MacAddress}}-{{end}}" $net; docker rm -f $id >/dev/null; done
        64
        64--
        64
        64--
        "#,
    ),
];
