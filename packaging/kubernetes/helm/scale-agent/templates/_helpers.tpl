{{- define "scale-agent.name" -}}
{{- if contains "scale-agent" .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-scale-agent" (.Release.Name | trunc 41 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "scale-agent.selector" -}}
app.kubernetes.io/name: scale-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "scale-agent.labels" -}}
{{ include "scale-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "scale-agent.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "scale-agent.name" .) -}}
{{- end -}}

{{- define "scale-agent.clouddriver" -}}
{{- if .Values.clouddriver.grpc -}}
{{- .Values.clouddriver.grpc -}}
{{- else if eq .Values.mode "spinnaker" -}}
spin-clouddriver-grpc:9091
{{- else -}}
{{- fail "clouddriver.grpc is needed: host:port of the plugin in Clouddriver" -}}
{{- end -}}
{{- end -}}

{{- /* What the configuration may name as ${VAR}, in the pod and in its test. */ -}}
{{- define "scale-agent.env" -}}
{{- if .Values.clouddriver.token.secret -}}
- name: CLOUDDRIVER_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.clouddriver.token.secret }}
      key: {{ .Values.clouddriver.token.key }}
{{ end -}}
{{- with .Values.extraEnv -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- /* The accounts, as the agent's configuration has them. */ -}}
{{- define "scale-agent.accounts" -}}
{{- if eq .Values.mode "agent" -}}
{{- if .Values.accounts -}}
{{- fail "accounts are for the modes infrastructure and spinnaker; mode agent has account" -}}
{{- end -}}
{{- $account := dict "serviceAccount" true -}}
{{- range $key, $value := .Values.account -}}
{{- if $value -}}{{- $_ := set $account $key $value -}}{{- end -}}
{{- end -}}
{{- list $account | toYaml -}}
{{- else -}}
{{- if not .Values.accounts -}}
{{- fail (printf "accounts are needed in mode %s" .Values.mode) -}}
{{- end -}}
{{- if not .Values.kubeconfigs.secret -}}
{{- fail (printf "kubeconfigs.secret is needed in mode %s: a secret whose keys are kubeconfig files" .Values.mode) -}}
{{- end -}}
{{- .Values.accounts | toYaml -}}
{{- end -}}
{{- end -}}

{{- define "scale-agent.config" -}}
{{- $c := .Values.clouddriver -}}
{{- $clouddriver := dict "grpc" (include "scale-agent.clouddriver" .) "insecure" $c.insecure -}}
{{- if $c.tls.secret -}}
{{- $tls := dict "cacertFile" "/etc/scale-agent/tls/ca.crt" -}}
{{- if $c.tls.serverName -}}{{- $_ := set $tls "serverName" $c.tls.serverName -}}{{- end -}}
{{- if $c.tls.clientCertificate -}}
{{- $_ := set $tls "clientCertFile" "/etc/scale-agent/tls/tls.crt" -}}
{{- $_ := set $tls "clientKeyFile" "/etc/scale-agent/tls/tls.key" -}}
{{- end -}}
{{- $_ := set $clouddriver "tls" $tls -}}
{{- end -}}
{{- if $c.token.secret -}}
{{- $_ := set $clouddriver "auth" (dict "token" "${CLOUDDRIVER_TOKEN}") -}}
{{- end -}}
{{- $config := dict
  "clouddriver" $clouddriver
  "kubernetes" (dict "accounts" (include "scale-agent.accounts" . | fromYamlArray))
  "logging" (dict "level" .Values.logLevel "format" "json")
  "prometheus" (dict "enabled" .Values.prometheus.enabled "port" (.Values.prometheus.port | int))
  "server" (dict "host" "0.0.0.0" "port" (.Values.healthPort | int)) -}}
{{- if .Values.agentId -}}{{- $_ := set $config "agentId" .Values.agentId -}}{{- end -}}
{{- if .Values.zoneId -}}{{- $_ := set $config "zoneId" .Values.zoneId -}}{{- end -}}
{{- mergeOverwrite $config (deepCopy .Values.config) | toYaml -}}
{{- end -}}
