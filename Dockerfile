# Node runs the TypeScript as it is: nothing is built, only production dependencies are installed.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE openapi.yaml ./
COPY schemas ./schemas
COPY routes ./routes
COPY src ./src
# The embedded store; a volume that is mounted here keeps it.
RUN mkdir /data && chown 1000:1000 /data
VOLUME /data
# The image's user node, by number: an orchestrator that insists on an unprivileged user cannot judge a name.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form: node itself is process 1 and receives SIGTERM.
CMD ["node", "src/server.ts"]
