# Statistics of random cohorts by R's own packages: Rscript statistics.R FOLDER
#
# FOLDER holds rows_K.csv (y, risk, other, group, p, centre, age) and features_K.csv for K = 0, 1, ...
# Writes r_K.csv: a quantity a line, its name first. Ends with status 3 where a package is missing.

needed <- c("pROC", "rms", "glmnet", "sva", "MASS")
for (package in needed) {
  there <- suppressPackageStartupMessages(require(package, character.only = TRUE, quietly = TRUE))
  if (!there) quit(status = 3)
}
exact <- glm.control(epsilon = 1e-14, maxit = 100)

z_scores <- function(values) {
  centred <- values - mean(values)
  centred / sqrt(mean(centred^2))
}

curves <- function(rows) {
  curve <- function(y, score) roc(y, score, quiet = TRUE, direction = "<")
  first <- curve(rows$y, rows$risk)
  paired <- roc.test(first, curve(rows$y, rows$other), method = "delong", paired = TRUE)
  here <- rows$group == 1
  unpaired <- roc.test(
    curve(rows$y[here], rows$risk[here]), curve(rows$y[!here], rows$risk[!here]),
    method = "delong", paired = FALSE
  )
  list(
    auc = c(auc(first), var(first), ci.auc(first)[c(1, 3)]),
    paired = c(paired$statistic, paired$p.value),
    unpaired = c(unpaired$statistic, unpaired$parameter, unpaired$p.value),
    ranks = wilcox.test(rows$risk[rows$y == 1], rows$risk[rows$y == 0], exact = FALSE)$p.value
  )
}

calibrated <- function(rows) {
  logit <- qlogis(rows$risk)
  told <- val.prob(rows$risk, rows$y, pl = FALSE)
  level <- glm(rows$y ~ offset(logit), family = binomial, control = exact)
  line <- glm(rows$y ~ logit, family = binomial, control = exact)
  alike <- glm(rows$y ~ logit + factor(rows$group), family = binomial, control = exact)
  apart <- glm(rows$y ~ logit * factor(rows$group), family = binomial, control = exact)
  test <- anova(alike, apart, test = "LRT")
  bounds <- suppressMessages(c(confint(level), confint(line)[2, ]))
  list(
    calibration = c(told["Brier"], coef(line), coef(level)),  # rms stops its own fit early
    distances = told[c("Emax", "E90", "Eavg")],
    lowess = lowess(rows$risk, rows$y, iter = 0)$y,
    profile = bounds,
    interaction = c(test$Deviance[2], test$Df[2], test[["Pr(>Chi)"]][2])
  )
}

counted <- function(rows) {
  p <- rows$p[1:8]
  events <- sum(rows$y)
  list(
    holm = p.adjust(p, "holm"),
    benjamini_hochberg = p.adjust(p, "BH"),
    wilson = prop.test(events, nrow(rows), correct = FALSE)$conf.int,
    clopper_pearson = binom.test(events, nrow(rows))$conf.int
  )
}

fitted_paths <- function(rows, features) {
  scores <- apply(features, 2, z_scores)
  lambda <- 1 / (nrow(rows) * c(0.02, 0.05, 0.1, 0.3, 1))
  path <- glmnet(scores, rows$y, family = "binomial", lambda = lambda, standardize = FALSE,
                 thresh = 1e-16, maxit = 1e7)
  list(l1_path = as.matrix(coef(path)), spearman = cor(features[, 1:6], method = "spearman"))
}

harmonised <- function(rows, features) {
  quietly <- function(...) {
    capture.output(found <- suppressMessages(ComBat(t(features), rows$centre, ...)))
    found
  }
  list(
    combat = quietly(),
    combat_means = quietly(mean.only = TRUE),
    combat_reference = quietly(ref.batch = "B"),
    combat_covariate = quietly(mod = model.matrix(~ rows$age))
  )
}

folder <- commandArgs(trailingOnly = TRUE)[1]
for (name in list.files(folder, "^rows_")) {
  rows <- read.csv(file.path(folder, name))
  features <- as.matrix(read.csv(file.path(folder, sub("rows", "features", name))))
  found <- c(curves(rows), calibrated(rows), counted(rows), fitted_paths(rows, features),
             harmonised(rows, features))
  lines <- mapply(
    function(name, values) paste(c(name, sprintf("%.17g", as.numeric(values))), collapse = ","),
    names(found), found
  )
  writeLines(lines, file.path(folder, sub("rows", "r", name)))
}
