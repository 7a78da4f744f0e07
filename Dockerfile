# antipasto in an image: built as `npm start` builds it, run without what only building needs.
#   docker build -t antipasto .

FROM node:22.22.2-bookworm-slim AS build
WORKDIR /app
# By themselves, so that a change of the sources doesn't fetch them again.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY prisma ./prisma
COPY client ./client
COPY server ./server
# What is optional is the embedded PostgreSQL: a container is given DATABASE_URL. And koffi's library for this machine, which
# is put back: without it digests are computed by WebAssembly, which is slower.
RUN node server/setup.mjs && mv node_modules/@koromix /tmp/ && \
  npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && mv /tmp/@koromix node_modules/

FROM node:22.22.2-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
# With STORE=local, mount a volume here.
RUN install --directory --owner=node --group=node --mode=0700 /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/prisma/migrations ./prisma/migrations
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--single-threaded-gc", "--min-semi-space-size=16", "dist/server/main.js", "serve"]
