"""Runs the example for real: makes Parquet, reduces it with Spark, and compares the service's answer with the one to
the comparisons sent row by row.

    python check.py [--rows 200000] [--url http://127.0.0.1:8080]
"""

import argparse
import math
import sys
import tempfile
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reduce import ask, columns_of, pair_counts

GROUPS, ITEMS = 4, 30


def simulated(spark, rows):
    """Comparisons of groups that disagree: each reward is a wave of its own over the items, one in ten a tie."""
    item = F.floor(F.rand(seed=1) * ITEMS)
    other = (F.col("a") + 1 + F.floor(F.rand(seed=2) * (ITEMS - 1))) % ITEMS
    reward = lambda name: F.sin(F.col(name) * 0.7 + F.col("g") * 1.3)
    return (
        spark.range(rows)
        .withColumn("g", F.floor(F.rand(seed=3) * GROUPS))
        .withColumn("a", item)
        .withColumn("b", other)
        .withColumn("a_wins", F.rand(seed=4) < 1 / (1 + F.exp(reward("b") - reward("a"))))
        .select(
            F.format_string("group %d", F.col("g")).alias("group"),
            F.format_string("item %02d", F.when(F.col("a_wins"), F.col("a")).otherwise(F.col("b"))).alias("winner"),
            F.format_string("item %02d", F.when(F.col("a_wins"), F.col("b")).otherwise(F.col("a"))).alias("loser"),
            (F.rand(seed=5) < 0.1).alias("tie"),
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("commonweal").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        simulated(spark, arguments.rows).write.mode("overwrite").parquet(folder)
        comparisons = spark.read.parquet(folder)
        since = time.perf_counter()
        reduced = columns_of(pair_counts(comparisons))
        seconds = time.perf_counter() - since
        rows = comparisons.collect()
    spark.stop()

    names = ("group", "winner", "loser", "tie")
    whole = {name: [row[name] for row in rows] for name in names}
    welfare = {"function": "nash"}
    url = f"{arguments.url}/aggregate"
    by_counts = ask(url, {"comparisons": reduced, "welfare": welfare})
    by_rows = ask(url, {"comparisons": whole, "welfare": welfare})

    print(f"{arguments.rows} comparisons became {len(reduced['count'])} counts in {seconds:.1f} s")
    if sum(reduced["count"]) != arguments.rows:
        sys.exit("the counts do not add up to the comparisons")
    furthest = max(abs(weight - by_rows["weights"][group]) for group, weight in by_counts["weights"].items())
    print(f"weights from counts and from rows differ by {furthest:.1e} at most")
    if not furthest < 1e-9 or not math.isclose(by_counts["welfare"], by_rows["welfare"], rel_tol=1e-9):
        sys.exit("the answers differ")


if __name__ == "__main__":
    main()
