// An informer and a typed client of @kubernetes/client-node; prints `ok` once the informer has told a whole life.
import { createRequire } from 'node:module';

const require = createRequire(process.env.NODE_PATH + '/');
const k8s = await import(require.resolve('@kubernetes/client-node'));

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = 'default';
const told = [];
const waiting = new Map();

const tell = (kind) => (object) => {
  if (object.metadata.name !== 'node') return;
  told.push(`${kind} ${object.data?.k ?? '-'}`);
  waiting.get(told.length)?.();
};
const heard = (count) =>
  told.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.set(count, resolve));

const list = () => core.listNamespacedConfigMap({ namespace });
const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
informer.on('add', tell('add'));
informer.on('update', tell('update'));
informer.on('delete', tell('delete'));
let stopped = false;
informer.on('error', (error) => {
  // Stopping aborts the watch, and that is told as an error too.
  if (stopped) return;
  console.error(error);
  process.exit(1);
});
await informer.start();

const limit = setTimeout(() => {
  console.error('the informer says only', told);
  process.exit(1);
}, 30000);
const body = { metadata: { name: 'node' }, data: { k: 'v' } };
await core.createNamespacedConfigMap({ namespace, body });
await heard(1);
const live = await core.readNamespacedConfigMap({ name: 'node', namespace });
live.data.k = 'w';
await core.replaceNamespacedConfigMap({ name: 'node', namespace, body: live });
await heard(2);
await core.deleteNamespacedConfigMap({ name: 'node', namespace });
await heard(3);
clearTimeout(limit);
stopped = true;
await informer.stop();

const expected = ['add v', 'update w', 'delete w'];
if (JSON.stringify(told) !== JSON.stringify(expected)) throw new Error(`told ${told}`);
try {
  await core.readNamespacedConfigMap({ name: 'node', namespace });
  throw new Error('it is still there');
} catch (error) {
  if (error.code !== 404) throw error;
}
console.log('ok');
process.exit(0);
