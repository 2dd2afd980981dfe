<?php
// Profiles behind a cache: PDO and phpredis, connected anew by every request.

if ($_SERVER['REQUEST_URI'] === '/health') {
    echo 'ok';
    return;
}
if (!preg_match('#^/profiles/(\d+)$#', $_SERVER['REQUEST_URI'], $parts)) {
    http_response_code(404);
    return;
}
$id = (int) $parts[1];

$database = new PDO(getenv('DATABASE'), null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$cache = new Redis();
$cache->connect(getenv('REDIS_HOST'), (int) getenv('REDIS_PORT'));
$cache->select((int) getenv('REDIS_DB'));

function show(PDO $database, Redis $cache, int $id): void
{
    $body = $cache->get("profile:$id");
    if ($body === false) {
        $select = $database->prepare('SELECT id, name FROM profiles WHERE id = ?');
        $select->execute([$id]);
        $row = $select->fetch(PDO::FETCH_ASSOC);
        if ($row === false) {
            http_response_code(404);
            return;
        }
        $body = json_encode($row);
        $cache->setex("profile:$id", 300, $body);
    }
    header('Content-Type: application/json');
    echo $body;
}

function update(PDO $database, Redis $cache, int $id): void
{
    $name = json_decode(file_get_contents('php://input'), true)['name'];
    $database->beginTransaction();
    $update = $database->prepare('UPDATE profiles SET name = ? WHERE id = ?');
    $update->execute([$name, $id]);
    $database->commit();
    $cache->del("profile:$id");
    http_response_code($update->rowCount() === 0 ? 404 : 204);
}

if ($_SERVER['REQUEST_METHOD'] === 'PUT') {
    update($database, $cache, $id);
} else {
    show($database, $cache, $id);
}
