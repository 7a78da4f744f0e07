// Makes a fresh clone ready to run: packages, Prisma client, compiled server, dashboard. `npm start`, `npm test` and
// the other scripts call it first; when everything is up to date it takes a fraction of a second and says nothing.
//
// Plain JavaScript that imports only `node:` modules, as it runs before anything is installed or compiled.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NEEDED_NODE = [20, 19]
const TYPES = 'client/api/generated/openapi.ts'
const isForTests = process.argv.includes('--test')

async function main() {
  checkNode()
  process.chdir(ROOT)
  if (!arePackagesInstalled()) {
    // Without install scripts even where the user's npm configuration would run them: see .npmrc.
    await run('Installing packages', 'npm', [
      'ci',
      '--include=dev',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    ])
  }
  await step({
    title: 'Generating the database client',
    inputs: [
      'prisma/schema.prisma',
      'prisma/prisma.config.ts',
      'prisma/schema-engine.mjs',
      'package-lock.json',
    ],
    output: 'prisma/generated/client.ts',
    command: ['prisma', 'generate', '--config', 'prisma/prisma.config.ts'],
  })
  // The client's types are made of what the server says of itself, so it is compiled before there are any.
  await step({
    title: 'Compiling the server for its description',
    inputs: [
      'server',
      'prisma/generated',
      'tsconfig.json',
      'package-lock.json',
      'client/api/generate-types.mjs',
    ],
    output: TYPES,
    command: ['tsc', '-p', '.', '--noCheck'],
    afterwards: () =>
      run("Generating the client's types", process.execPath, ['client/api/generate-types.mjs']),
  })
  await step({
    title: 'Compiling server and clients',
    inputs: ['server', 'test', 'client', 'prisma/generated', 'tsconfig.json', 'package-lock.json'],
    output: 'dist/server/main.js',
    command: ['tsc', '-p', '.'],
    afterwards: removeOrphans,
  })
  await step({
    title: 'Building the dashboard',
    inputs: ['client', 'package-lock.json'],
    output: 'dist/dashboard/index.html',
    command: ['vite', 'build', 'client/dashboard'],
  })
  if (isForTests) await provideForTests()
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [neededMajor, neededMinor] = NEEDED_NODE
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return
  stop(
    `antipasto needs Node.js ${NEEDED_NODE.join('.')} or newer, and this is ${process.versions.node}: https://nodejs.org`,
  )
}

/** True when what npm says it has installed is what package-lock.json asks for. */
function arePackagesInstalled() {
  const wanted = readJson('package-lock.json')?.packages
  const installed = readJson('node_modules/.package-lock.json')?.packages
  if (!wanted) stop('package-lock.json is missing: this is not a complete clone.')
  if (!installed) return false
  return Object.entries(wanted).every(([name, { version, optional }]) => {
    if (name === '') return true // The project itself.
    // An optional package is absent where it isn't made for this machine.
    return installed[name] ? installed[name].version === version : optional === true
  })
}

/**
 * Runs a tool from node_modules unless nothing has changed since it last succeeded.
 *
 * `inputs` are files and folders; `output` is a file that the tool makes.
 */
async function step({ title, inputs, output, command: [tool, ...args], afterwards }) {
  const stamp = path.join('dist', '.setup', title.replaceAll(/\W+/g, '-').toLowerCase())
  const fingerprint = fingerprintOf(inputs)
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return
  await run(title, path.join('node_modules', '.bin', tool), args)
  await afterwards?.()
  mkdirSync(path.dirname(stamp), { recursive: true })
  writeFileSync(stamp, fingerprint)
}

/** Changes with every file that is added, removed or written. */
function fingerprintOf(inputs) {
  const hash = createHash('sha256')
  for (const file of inputs.flatMap(filesUnder)) {
    const { mtimeMs, size } = statSync(file)
    hash.update(`${file}\0${mtimeMs}\0${size}\n`)
  }
  return hash.digest('hex')
}

function filesUnder(fileOrFolder) {
  if (!existsSync(fileOrFolder)) return []
  if (!statSync(fileOrFolder).isDirectory()) return [fileOrFolder]
  return readdirSync(fileOrFolder)
    .sort()
    .flatMap((name) => filesUnder(path.join(fileOrFolder, name)))
}

/** Removes compiled files that have no source any more: a test deleted in test/ must not run from dist/test. */
function removeOrphans() {
  for (const file of ['server', 'test', 'client', 'prisma'].flatMap((room) =>
    filesUnder(path.join('dist', room)),
  )) {
    const source = path.relative('dist', file).replace(/(\.js(\.map)?|\.d\.ts)$/, '.ts')
    if (source.endsWith('.ts') && !existsSync(source)) rmSync(file)
  }
}

// ---- What the tests need beside packages ------------------------------------------------------------------------------

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const CEPH = ['monmaptool', 'ceph', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin']

const NEEDS = [
  {
    name: 'Chromium',
    isThere: () =>
      process.env.CHROMIUM_PATH ? existsSync(process.env.CHROMIUM_PATH) : BROWSERS.some(isProgram),
    debianPackages: ['chromium'],
    tests: 'the browser tests (test/dashboard)',
    setting: 'set CHROMIUM_PATH to its program',
    mustBeThere: process.env.REQUIRE_BROWSER === '1',
  },
  {
    name: 'S3 server',
    isThere: () => Boolean(process.env.TEST_S3_ENDPOINT) || CEPH.every(isProgram),
    debianPackages: ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-common'],
    tests: 'the tests on S3',
    setting: 'set TEST_S3_ENDPOINT, TEST_S3_ACCESS_KEY and TEST_S3_SECRET_KEY',
    mustBeThere: process.env.REQUIRE_S3 === '1',
  },
  {
    name: 'nginx',
    isThere: () => isProgram('nginx'),
    debianPackages: ['nginx-light'],
    tests: 'the tests of docker-compose.yml behind nginx (test/deploy)',
    setting: 'put its program in the PATH',
    mustBeThere: process.env.REQUIRE_NGINX === '1',
  },
  {
    name: 'Prometheus',
    isThere: () => ['prometheus', 'promtool'].every(isProgram),
    debianPackages: ['prometheus'],
    tests: 'the tests of metrics and alerts in a real Prometheus (test/metrics)',
    setting: 'put prometheus and promtool in the PATH',
    mustBeThere: process.env.REQUIRE_PROMETHEUS === '1',
  },
  {
    name: 'rsync and an older PostgreSQL',
    isThere: () => ['rsync', 'pg_dump'].every(isProgram) && existsSync('/usr/lib/postgresql'),
    debianPackages: ['rsync', 'postgresql'],
    tests: 'the tests of backups and of upgrades from an older PostgreSQL (test/backup)',
    setting: 'put rsync and pg_dump in the PATH',
    mustBeThere: process.env.REQUIRE_BACKUP === '1',
  },
  {
    name: 'systemd-analyze',
    isThere: () => isProgram('systemd-analyze'),
    debianPackages: ['systemd'],
    tests: 'the test of the systemd unit (docs/systemd)',
    setting: 'put it in the PATH',
    mustBeThere: process.env.REQUIRE_SYSTEMD === '1',
  },
  {
    name: 'libfaketime',
    isThere: () =>
      ['/usr/lib64', ...foldersIn('/usr/lib')].some((folder) =>
        existsSync(path.join(folder, 'faketime', 'libfaketime.so.1')),
      ),
    debianPackages: ['libfaketime'],
    tests: 'the clock steps of the fault suite (test/faults)',
    setting: 'put it into /usr/lib64/faketime',
    mustBeThere: false,
  },
  {
    name: 'Python with requests and tuspy',
    // Debian's packages are for Debian's Python, and another one may come before it in the PATH.
    isThere: () =>
      ['requests', 'tusclient.client'].every((module) =>
        ['python3', '/usr/bin/python3'].some((python) => succeeds(python, '-c', `import ${module}`)),
      ),
    debianPackages: ['python3-requests', 'python3-tuspy'],
    tests: 'the recipes in Python (docs/recipes)',
    setting: 'pip install requests tuspy',
    mustBeThere: process.env.REQUIRE_RECIPES === '1',
  },
  {
    name: 'R with httr2',
    isThere: () => succeeds('Rscript', '-e', 'library(httr2); library(jsonlite)'),
    debianPackages: ['r-base-core', 'r-cran-httr2', 'r-cran-jsonlite'],
    tests: 'the recipe in R (docs/recipes)',
    setting: 'install.packages(c("httr2", "jsonlite")) in an R whose Rscript is in the PATH',
    mustBeThere: process.env.REQUIRE_RECIPES === '1',
  },
]

/** Looks for NEEDS, and installs what is missing where we may: as root on Debian and its kin. */
async function provideForTests() {
  const missing = NEEDS.filter(({ isThere }) => !isThere())
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    await run('Updating the list of Debian packages', 'apt-get', ['update'])
    for (const { name, debianPackages } of missing) {
      await run(`Installing ${name}`, 'apt-get', [
        'install',
        '-y',
        '--no-install-recommends',
        ...debianPackages,
      ])
    }
    return
  }
  for (const { name, debianPackages, tests, setting, mustBeThere } of missing) {
    const advice = `Install it (Debian: apt-get install ${debianPackages.join(' ')}), or ${setting}.`
    if (mustBeThere) stop(`There is no ${name} for ${tests}. ${advice}`)
    console.log(`There is no ${name}: ${tests} will be skipped. ${advice}`)
  }
}

function succeeds(program, ...args) {
  return spawnSync(program, args).status === 0
}

function foldersIn(folder) {
  return existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : []
}

function isProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.some((folder) => existsSync(path.join(folder, name)))
}

// ---- Small things ---------------------------------------------------------------------------------------------------

/** Runs a program and says so in one line; shows what it printed only when it fails, and ends with it then. */
async function run(title, program, args) {
  const startedAt = performance.now()
  process.stdout.write(`${title} (${path.basename(program)} ${args.join(' ')}) …`)
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      DEBIAN_FRONTEND: 'noninteractive',
      // The tests start what they need: Debian's scripts are not to start it as a service.
      RUNLEVEL: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const failure = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`),
    )
  })
  if (failure) {
    process.stdout.write(' failed\n')
    stop(`${output}\n${title}: ${program} ${failure}.`)
  }
  process.stdout.write(` ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
}

function readJson(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

function stop(message) {
  console.error(message)
  process.exit(1)
}

await main()
