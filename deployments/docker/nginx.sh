#!/bin/sh
# Put deployments/nginx/dailies.conf to use in a container: its name, certificate, API and log are those of compose.yaml.
# Run by the image of NGINX before it starts.
set -eu
config=${DAILIES_CONF:-/etc/dailies/dailies.conf}
certificates=${CERTIFICATES_FOLDER:-/etc/dailies/certificates}
sed -e "s|127\.0\.0\.1:8000|${API_ADDRESS}|" \
    -e "s|/etc/letsencrypt/live/dailies\.example|${certificates}|" \
    -e "s|dailies\.example|${SERVER_NAME}|g" \
    -e "s|/var/log/nginx/dailies\.log|/dev/stdout|" \
    "$config" > "${NGINX_CONF:-/etc/nginx/conf.d/default.conf}"
