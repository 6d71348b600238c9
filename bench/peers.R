# The models of the fit, as packages of R have them. Takes the same problem as peers.py (JSON on standard input) and prints
# the same lines.
#
# usage: Rscript peers.R model|versions

PATIENCE <- 3
BUDGET <- 2

emit <- function(answer) {
  cat(jsonlite::toJSON(answer, auto_unbox = TRUE, digits = NA, null = "null"), "\n", sep = "")
  flush(stdout())
}

# The protocol of measure.ts.
measure <- function(run) {
  timed <- function() {
    start <- as.numeric(Sys.time())
    result <- run()
    list(result = result, took = as.numeric(Sys.time()) - start)
  }
  warm <- timed()
  result <- warm$result
  times <- if (warm$took > PATIENCE) warm$took else c()
  while (warm$took <= PATIENCE && (length(times) < 3 || (sum(times) < BUDGET && length(times) < 100))) {
    again <- timed()
    result <- again$result
    times <- c(times, again$took)
  }
  seconds <- list(first = warm$took, median = median(times), min = min(times), max = max(times))
  list(result = result, timing = c(lapply(seconds, function(value) 1000 * value), list(runs = length(times))))
}

run_peer <- function(name, limit, call, read) {
  setTimeLimit(elapsed = limit, transient = TRUE)
  on.exit(setTimeLimit())
  tryCatch({
    measured <- measure(call)
    setTimeLimit()
    emit(list(peer = name, timing = measured$timing, answer = read(measured$result), remark = NULL))
  }, error = function(error) {
    setTimeLimit()
    emit(list(peer = name, failure = conditionMessage(error)))
  })
}

needs <- function(package) {
  if (requireNamespace(package, quietly = TRUE)) return(TRUE)
  emit(list(peer = paste("R", package), failure = "not installed"))
  FALSE
}

# Wins and losses of each pair i < j and order (first: 1 where i was shown first, -1 where j was).
pairs_of <- function(problem) {
  games <- problem$games
  i <- pmin(games$winner, games$loser)
  j <- pmax(games$winner, games$loser)
  won <- games$winner == i
  first <- ifelse(won, games$first, -games$first)
  key <- paste(i, j, first)
  at <- match(key, unique(key))
  sums <- function(of) as.numeric(tapply(of * games$count, factor(at, seq_len(max(at))), sum))
  one <- match(seq_len(max(at)), at)
  list(
    i = i[one], j = j[one], first = first[one],
    wins = sums(won & games$tie == 0), losses = sums(!won & games$tie == 0), ties = sums(games$tie == 1)
  )
}

centred <- function(values) as.numeric(values - mean(values))

# Coefficients against the first item, and whatever follows them.
against_first <- function(n) function(coefficients) {
  coefficients <- as.numeric(coefficients)
  c(centred(c(0, coefficients[seq_len(n - 1)])), coefficients[-seq_len(n - 1)])
}

errors_against_first <- function(n) function(covariance) {
  centring <- diag(n)[, -1] - 1 / n
  sqrt(diag(centring %*% as.matrix(covariance)[seq_len(n - 1), seq_len(n - 1)] %*% t(centring)))
}

contestants <- function(pairs, n) {
  side <- function(item, first) {
    data.frame(item = factor(item, levels = seq_len(n) - 1), shown = as.numeric(first))
  }
  list(one = side(pairs$i, pairs$first == 1), two = side(pairs$j, pairs$first == -1))
}

bradley_terry <- function(problem, ...) {
  pairs <- pairs_of(problem)
  sides <- contestants(pairs, problem$items)
  outcome <- cbind(pairs$wins, pairs$losses)
  formula <- if (any(pairs$first != 0)) ~ item + shown else ~ item
  function() {
    BradleyTerry2::BTm(outcome, sides$one, sides$two, formula, id = "item", ...)
  }
}

# BTm keeps abilities and other effects in the order of its formula.
bt_coefficients <- function(n) function(fit) against_first(n)(coef(fit))

peers <- list(
  position = function(problem) {
    if (!needs("BradleyTerry2")) return()
    run_peer("R BradleyTerry2 BTm", problem$limit, bradley_terry(problem), bt_coefficients(problem$items))
  },
  fisher = function(problem) {
    if (!needs("BradleyTerry2")) return()
    call <- bradley_terry(problem, epsilon = 1e-14)
    run_peer("R BradleyTerry2 BTm", problem$limit, function() vcov(call()), errors_against_first(problem$items))
  },
  firth = function(problem) {
    if (needs("BradleyTerry2")) {
      call <- bradley_terry(problem, br = TRUE, br.epsilon = 1e-12)
      run_peer("R BradleyTerry2 BTm, br = TRUE", problem$limit, call, bt_coefficients(problem$items))
    }
    if (!needs("brglm2")) return()
    pairs <- pairs_of(problem)
    n <- problem$items
    x <- matrix(0, length(pairs$i), n)
    x[cbind(seq_along(pairs$i), pairs$i + 1)] <- 1
    x[cbind(seq_along(pairs$j), pairs$j + 1)] <- -1
    x <- x[, -1]
    games <- pairs$wins + pairs$losses
    call <- function() {
      brglm2::brglmFit(x, pairs$wins / games, weights = games, family = binomial(), intercept = FALSE,
        control = brglm2::brglmControl(type = "AS_mean", epsilon = 1e-10, maxit = 1000))
    }
    run_peer("R brglm2, AS_mean, 1e-10", problem$limit, call, function(fit) against_first(n)(fit$coefficients))
  },
  davidson = function(problem) log_linear(problem),
  `davidson-position` = function(problem) log_linear(problem)
)

# Davidson's model as a Poisson regression whose parameters of pairs are eliminated.
log_linear <- function(problem) {
  if (!needs("gnm")) return()
  pairs <- pairs_of(problem)
  n <- problem$items
  size <- length(pairs$i)
  half <- matrix(0, size, n)
  half[cbind(seq_len(size), pairs$i + 1)] <- 0.5
  half[cbind(seq_len(size), pairs$j + 1)] <- -0.5
  half <- half[, -1]
  positions <- any(pairs$first != 0)
  block <- function(sign) {
    x <- cbind(sign * half, as.numeric(sign == 0))
    if (positions) cbind(x, sign * pairs$first / 2) else x
  }
  data <- list(
    x = rbind(block(1), block(-1), block(0)),
    y = c(pairs$wins, pairs$losses, pairs$ties),
    pair = factor(rep(seq_len(size), 3))
  )
  call <- function() {
    gnm::gnm(y ~ -1 + x, eliminate = pair, family = poisson(), data = data, verbose = FALSE, tolerance = 1e-10)
  }
  run_peer("R gnm, Poisson, pairs eliminated, 1e-10", problem$limit, call, function(fit) against_first(n)(coef(fit)))
}

task <- commandArgs(trailingOnly = TRUE)[1]
if (!requireNamespace("jsonlite", quietly = TRUE)) {
  cat('{"peer":"R","failure":"not installed: jsonlite"}\n')
} else if (task == "versions") {
  packages <- c("BradleyTerry2", "gnm", "brglm2")
  version <- function(name) {
    tryCatch(as.character(packageVersion(name)), error = function(error) "not installed")
  }
  emit(c(list(R = paste(R.version$major, R.version$minor, sep = ".")), setNames(lapply(packages, version), packages)))
} else {
  problem <- jsonlite::fromJSON(file("stdin"))
  suppressWarnings(suppressMessages(peers[[problem$model]](problem)))
}
