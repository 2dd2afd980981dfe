"""Uses Postgres as drivers of Python do; prints what they got.

drive_postgres.py DRIVER PORT
"""
import asyncio
import datetime
import decimal
import io
import sys
import uuid

DRIVER, PORT = sys.argv[1], int(sys.argv[2])
WHERE = f"host=127.0.0.1 port={PORT} user=postgres dbname=postgres sslmode=disable gssencmode=disable"
VALUES = (
    7,
    "Åse; DROP 'x'",
    decimal.Decimal("12.50"),
    uuid.UUID(int=5),
    datetime.date(2001, 2, 3),
    b"\x00\xff$1",
    True,
    None,
)
ECHO = "SELECT {0}::int, {1}::text, {2}::numeric, {3}::uuid, {4}::date, {5}::bytea, {6}::bool, {7}::text"


def psycopg2():
    import psycopg2

    connection = psycopg2.connect(WHERE)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (id int PRIMARY KEY, v text)")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, f"v{n}") for n in range(30)])
        cursor.copy_expert("COPY t FROM STDIN", io.StringIO("".join(f"{n}\tc{n}\n" for n in range(100, 3000))))
        cursor.execute("SELECT count(*), min(v), max(v) FROM t")
        print(cursor.fetchall())
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT * FROM t ORDER BY id) TO STDOUT", out)
        print(len(out.getvalue()))
    with connection.cursor("named") as cursor:
        cursor.itersize = 100
        cursor.execute("SELECT * FROM generate_series(1, 950)")
        print(sum(row[0] for row in cursor))
    connection.rollback()
    connection.close()


def psycopg():
    import psycopg

    with psycopg.connect(WHERE, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE t (id int PRIMARY KEY, v text)")
        for binary in (False, True):
            echo = ECHO.format(*["%s"] * 8)
            print(connection.execute(echo, VALUES, binary=binary).fetchall())
        with connection.pipeline() as pipeline:
            cursors = [
                connection.execute("INSERT INTO t VALUES (%s, %s) RETURNING id", (n, f"v{n}"), prepare=True)
                for n in range(50)
            ]
            pipeline.sync()
            print([cursor.fetchone() for cursor in cursors])
        try:
            with connection.pipeline():
                connection.execute("INSERT INTO t VALUES (1000, 'kept?')")
                connection.execute("INSERT INTO t VALUES (1, 'taken')")
                connection.execute("INSERT INTO t VALUES (1001, 'skipped')")
        except psycopg.errors.UniqueViolation as error:
            print(type(error).__name__)
        print(connection.execute("SELECT count(*) FROM t").fetchone())
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for n in range(2000, 4000):
                copy.write_row((n, f"c{n}"))
        with connection.cursor().copy("COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
            print(sum(len(block) for block in copy))
        with connection.transaction(), connection.cursor(name="named") as cursor:
            cursor.itersize = 70
            cursor.execute("SELECT * FROM generate_series(1, 500)")
            print(sum(row[0] for row in cursor))
        try:
            with connection.transaction():
                connection.execute("SELECT 1 / %s", (0,))
        except psycopg.errors.DivisionByZero as error:
            print(type(error).__name__)


async def asyncpg():
    import asyncpg

    connection = await asyncpg.connect(
        host="127.0.0.1", port=PORT, user="postgres", database="postgres", ssl=False
    )
    await connection.execute("CREATE TEMP TABLE t (id int PRIMARY KEY, v text); SELECT 1")
    echo = ECHO.format(*[f"${n}" for n in range(1, 9)])
    print([tuple(row) for row in await connection.fetch(echo, *VALUES)])
    await connection.executemany("INSERT INTO t VALUES ($1, $2)", [(n, f"v{n}") for n in range(300)])
    await connection.copy_records_to_table("t", records=[(n, f"c{n}") for n in range(1000, 3000)])
    out = io.BytesIO()
    await connection.copy_from_query("SELECT * FROM t ORDER BY id", output=out)
    print(len(out.getvalue()))
    async with connection.transaction():
        total = 0
        async for row in connection.cursor("SELECT * FROM generate_series(1, 420)", prefetch=50):
            total += row[0]
        print(total)
    try:
        await connection.execute("INSERT INTO t VALUES ($1, $2)", 1, "taken")
    except asyncpg.UniqueViolationError as error:
        print(type(error).__name__)
    heard = []
    await connection.add_listener("c", lambda *said: heard.append(said[2:]))
    await connection.execute("NOTIFY c, 'hello'")
    print(await connection.fetchval("SELECT count(*) FROM t"), heard)
    statements = [await connection.prepare(f"SELECT {n} + $1::int") for n in range(120)]
    print(sum([await statement.fetchval(1) for statement in statements]))
    await connection.close()


if DRIVER == "asyncpg":
    asyncio.run(asyncpg())
else:
    {"psycopg2": psycopg2, "psycopg": psycopg}[DRIVER]()
