// Profiles behind a cache: Express, a pg pool and the redis client.
const express = require('express');
const { Pool } = require('pg');
const { createClient } = require('redis');

const app = express();
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 2 });
const cache = createClient({ url: process.env.REDIS_URL });
// A connection that breaks is made anew; without a listener it ends the process.
pool.on('error', (error) => console.error(error.message));
cache.on('error', (error) => console.error(error.message));

app.use(express.json());

app.get('/health', (request, response) => response.send('ok'));

app.get('/profiles/:id', async (request, response, next) => {
  try {
    const key = `profile:${request.params.id}`;
    const cached = await cache.get(key);
    if (cached) return response.json(JSON.parse(cached));
    const { rows } = await pool.query('SELECT id, name FROM profiles WHERE id = $1', [
      request.params.id,
    ]);
    if (rows.length === 0) return response.sendStatus(404);
    await cache.set(key, JSON.stringify(rows[0]), { EX: 300 });
    response.json(rows[0]);
  } catch (error) {
    next(error);
  }
});

app.put('/profiles/:id', async (request, response, next) => {
  const client = await pool.connect().catch(next);
  if (!client) return;
  try {
    await client.query('BEGIN');
    const { rowCount } = await client.query('UPDATE profiles SET name = $1 WHERE id = $2', [
      request.body.name,
      request.params.id,
    ]);
    await client.query('COMMIT');
    client.release();
    if (rowCount === 0) return response.sendStatus(404);
    await cache.del(`profile:${request.params.id}`);
    response.sendStatus(204);
  } catch (error) {
    client.release(error);
    next(error);
  }
});

cache.connect().then(() => app.listen(process.env.PORT, '127.0.0.1'));
