#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# up.sh DIR [options]: one Kubernetes cluster in the background, all its state below DIR. Called again
# after down.sh it starts the same cluster with its data.
#   --bin FILE        the multi-call binary (default: what build.sh has built)
#   --api-port N      (6443)   kube-apiserver, HTTPS on 127.0.0.1
#   --etcd-port N     (2379)   etcd's clients; N+1 is for its peers
#   --kubelet-port N  (10247)  kwok's stand-in for kubelets (logs, exec)
#   --server URL      what the kubeconfig names instead of https://127.0.0.1:API-PORT (a proxy before it)
#   --etcd FILE       another etcd executable
#   --minimal         etcd and kube-apiserver only
#   --one-process     everything in one process (least memory)
#   --nodes N         (1) nodes
#   --mem-limit M     GOMEMLIMIT of kube-apiserver (or the one process), for example 200MiB
#   --api-flag F      a further flag of kube-apiserver (repeatable)
# Leaves DIR/kubeconfig (contexts admin: client certificate, token-admin: bearer token), DIR/pids,
# DIR/log, DIR/pki, DIR/admin.token. Exits with 0 once /readyz is ok and, unless --minimal, a node is
# Ready. Needs bash, curl, openssl.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '3,20p' "$0" | cut -c3-; exit 2; }
dir=$1
shift
api=6443 etcd_port=2379 kubelet=10247 bin='' etcd='' minimal='' one='' nodes=1 memlimit='' server=''
api_flags=()
while [ $# -gt 0 ]; do
    case $1 in
    --minimal) minimal=1; shift; continue ;;
    --one-process) one=1; shift; continue ;;
    esac
    [ $# -ge 2 ] || { echo "up.sh: $1 needs a value" >&2; exit 2; }
    case $1 in
    --api-port) api=$2 ;;
    --etcd-port) etcd_port=$2 ;;
    --kubelet-port) kubelet=$2 ;;
    --bin) bin=$2 ;;
    --server) server=$2 ;;
    --etcd) etcd=$2 ;;
    --nodes) nodes=$2 ;;
    --mem-limit) memlimit=$2 ;;
    --api-flag) api_flags+=("$2") ;;
    *) echo "up.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
[ -n "$bin" ] || bin=$("$here/build.sh")
mkdir -p "$dir"/{pki,pids,log,etcd,pod}
dir=$(cd "$dir" && pwd)
pki=$dir/pki
chmod 700 "$pki" "$dir/etcd"

# ---- keys and kubeconfigs ---------------------------------------------------------------------------
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
# cert NAME SUBJECT EXTENDED_KEY_USAGE [SUBJECT_ALT_NAME]
cert() {
    key "$pki/$1.key"
    {
        printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$3"
        [ -z "${4:-}" ] || echo "subjectAltName=$4"
    } >"$pki/$1.ext"
    openssl req -new -key "$pki/$1.key" -subj "$2" 2>/dev/null |
        openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 3650 \
            -extfile "$pki/$1.ext" -out "$pki/$1.crt" 2>/dev/null
    rm "$pki/$1.ext"
}
make_keys() {
    key "$pki/ca.key"
    openssl req -x509 -new -key "$pki/ca.key" -subj /CN=kubebox-ca -days 3650 -out "$pki/ca.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature,cRLSign
    cert server /CN=kube-apiserver serverAuth \
        DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.0.0.1
    cert admin /O=system:masters/CN=admin clientAuth
    cert kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
    key "$pki/sa.key"
    openssl pkey -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
    head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/admin.token"
    echo "$(cat "$dir/admin.token"),token-admin,u-1,\"system:masters\"" >"$pki/tokens.csv"
}
[ -f "$pki/tokens.csv" ] || (umask 077 && make_keys)

# kubeconfig FILE SERVER
kubeconfig() {
    cat >"$1" <<K
apiVersion: v1
kind: Config
current-context: admin
clusters:
- {name: c, cluster: {server: "$2", certificate-authority: $pki/ca.crt}}
users:
- {name: admin, user: {client-certificate: $pki/admin.crt, client-key: $pki/admin.key}}
- {name: token-admin, user: {tokenFile: $dir/admin.token}}
contexts:
- {name: admin, context: {cluster: c, user: admin}}
- {name: token-admin, context: {cluster: c, user: token-admin}}
K
}
kubeconfig "$dir/kubeconfig.direct" "https://127.0.0.1:$api"
kubeconfig "$dir/kubeconfig" "${server:-https://127.0.0.1:$api}"

# ---- what each part is started with ---------------------------------------------------------------
etcd_url=http://127.0.0.1:$etcd_port
peer_url=http://127.0.0.1:$((etcd_port + 1))
etcd_flags=(--data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn
    --listen-client-urls "$etcd_url" --advertise-client-urls "$etcd_url"
    --listen-peer-urls "$peer_url" --initial-advertise-peer-urls "$peer_url" --initial-cluster "default=$peer_url")
# Durations are nanoseconds here; without the last, each request is logged as slow.
cat >"$dir/etcd.yaml" <<K
data-dir: $dir/etcd
unsafe-no-fsync: true
log-level: warn
listen-client-urls: "$etcd_url"
advertise-client-urls: "$etcd_url"
listen-peer-urls: "$peer_url"
initial-advertise-peer-urls: "$peer_url"
initial-cluster: "default=$peer_url"
watch-progress-notify-interval: 5000000000
warning-unary-request-duration: 300000000
K
# shellcheck disable=SC2054 # the commas belong to the flags
apiserver_flags=("--etcd-servers=$etcd_url"
    --bind-address=127.0.0.1 "--secure-port=$api" --advertise-address=127.0.0.1 --endpoint-reconciler-type=none
    --service-cluster-ip-range=10.0.0.0/24 --allow-privileged=true
    "--tls-cert-file=$pki/server.crt" "--tls-private-key-file=$pki/server.key"
    "--client-ca-file=$pki/ca.crt" "--token-auth-file=$pki/tokens.csv"
    --authorization-mode=Node,RBAC --anonymous-auth=true
    --service-account-issuer=https://kubernetes.default.svc.cluster.local
    "--service-account-key-file=$pki/sa.pub" "--service-account-signing-key-file=$pki/sa.key"
    "--kubelet-client-certificate=$pki/kubelet-client.crt" "--kubelet-client-key=$pki/kubelet-client.key"
    "--kubelet-certificate-authority=$pki/ca.crt" --kubelet-preferred-address-types=InternalIP
    --profiling=false --event-ttl=10m "${api_flags[@]}")
manager_flags=("--kubeconfig=$dir/kubeconfig.direct"
    --leader-elect=false --secure-port=0 "--service-account-private-key-file=$pki/sa.key"
    "--root-ca-file=$pki/ca.crt" "--cluster-signing-cert-file=$pki/ca.crt" "--cluster-signing-key-file=$pki/ca.key"
    --allocate-node-cidrs=false --profiling=false)
cat >"$dir/scheduler.yaml" <<K
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: $dir/kubeconfig.direct}
leaderElection: {leaderElect: false}
K
scheduler_flags=("--config=$dir/scheduler.yaml" --secure-port=0 --profiling=false)
# kwok makes nodes and pods Ready that no kubelet runs; it answers logs, exec and port-forward. A log
# file has to be in the container runtimes' format.
echo "$(date -u +%FT%T.%NZ) stdout F kwok log line 1" >"$dir/pod/log"
{
    "$bin" kwok-stages
    cat <<K
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata: {name: default}
spec: {logs: [{logsFile: $dir/pod/log, follow: true}]}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: {name: default}
spec: {execs: [{local: {workDir: $dir/pod}}]}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: default}
spec: {forwards: [{target: {port: $etcd_port, address: 127.0.0.1}}]}
K
} >"$dir/kwok.yaml"
kwok_flags=(--kubeconfig "$dir/kubeconfig.direct" --manage-all-nodes --config "$dir/kwok.yaml"
    --cidr 10.1.0.0/16 --node-ip 127.0.0.1 --node-port "$kubelet" --server-address "127.0.0.1:$kubelet"
    --tls-cert-file "$pki/server.crt" --tls-private-key-file "$pki/server.key")

# ---- start ---------------------------------------------------------------------------------------------
spawn() {
    local name=$1
    shift
    setsid nohup "$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/pids/$name.pid"
}
alive() {
    kill -0 "$(cat "$dir/pids/$1.pid")" 2>/dev/null && return
    echo "$1 died:" >&2
    tail -n 5 "$dir/log/$1.log" >&2
    exit 1
}
# await TIMES WHAT COMMAND...: ten times a second
await() {
    local n=$1 what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        alive kube-apiserver
        n=$((n - 1))
        [ $n -gt 0 ] || { echo "up.sh: no $what in time" >&2; exit 1; }
        sleep 0.1
    done
}
go_env=(env "GOGC=${KGOGC:-100}")
[ -z "$memlimit" ] || go_env=(env "GOGC=${KGOGC:-50}" "GOMEMLIMIT=$memlimit")
if [ -n "$one" ]; then
    rest=(-- wait "$dir/kubeconfig.direct" -- kube-controller-manager "${manager_flags[@]}"
        -- kube-scheduler "${scheduler_flags[@]}" -- kwok "${kwok_flags[@]}")
    [ -z "$minimal" ] || rest=()
    spawn kube-apiserver "${go_env[@]}" "$bin" all etcd "$dir/etcd.yaml" -- kube-apiserver "${apiserver_flags[@]}" "${rest[@]}"
else
    if [ -n "$etcd" ]; then
        spawn etcd "$etcd" "${etcd_flags[@]}"
    else
        spawn etcd "$bin" etcd "${etcd_flags[@]}" --watch-progress-notify-interval 5s
    fi
    spawn kube-apiserver "${go_env[@]}" "$bin" kube-apiserver "${apiserver_flags[@]}"
fi
get=(curl -sf --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key")
await 1200 /readyz "${get[@]}" "https://127.0.0.1:$api/readyz"
[ -z "$minimal" ] || exit 0
if [ -z "$one" ]; then # these would wait too, but in steps of seconds
    spawn kube-controller-manager "$bin" kube-controller-manager "${manager_flags[@]}"
    spawn kube-scheduler "$bin" kube-scheduler "${scheduler_flags[@]}"
    spawn kwok "$bin" kwok "${kwok_flags[@]}"
fi
for n in $(seq 0 $((nodes - 1))); do
    cat <<K
---
apiVersion: v1
kind: Node
metadata:
  name: node-$n
  labels: {kubernetes.io/hostname: node-$n, kubernetes.io/os: linux, kubernetes.io/arch: amd64, type: kwok}
  annotations: {kwok.x-k8s.io/node: fake}
K
done >"$dir/nodes.yaml"
kubectl=("$bin" kubectl --kubeconfig "$dir/kubeconfig.direct")
"${kubectl[@]}" create -f "$dir/nodes.yaml" >/dev/null 2>"$dir/log/nodes.log" || grep -q AlreadyExists "$dir/log/nodes.log"
"${kubectl[@]}" wait --for=condition=Ready node/node-0 --timeout=60s >/dev/null
# Pods are refused until the controller manager has made this.
await 600 'default service account' "${get[@]}" "https://127.0.0.1:$api/api/v1/namespaces/default/serviceaccounts/default"
