# A caller of the API, as somebody else's configuration would have it: a function in the app subnets with the security
# group clients. Everything that it needs of the stack are two outputs.

variable "subnet_ids" {
  description = "Output private_subnet_ids of the stack, those whose names begin with app-."
  type        = list(string)
}

variable "security_group_id" {
  description = "Output security_group_ids of the stack, key clients."
  type        = string
}

resource "aws_iam_role" "caller" {
  name               = "recommender"
  assume_role_policy = jsonencode({})
}

resource "aws_lambda_function" "caller" {
  function_name = "recommender"
  role          = aws_iam_role.caller.arn
  filename      = "recommender.zip"
  handler       = "recommender.handler"
  runtime       = "python3.13"

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = [var.security_group_id]
  }
}
