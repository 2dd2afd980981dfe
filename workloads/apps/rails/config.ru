# Profiles behind a cache: Rails.cache.fetch, filled from the replica and
# dropped when a change has been committed.
require "rails"
require "active_record/railtie"
require "action_controller/railtie"

class Application < Rails::Application
  config.load_defaults 6.1
  config.root = __dir__
  config.hosts.clear
  config.logger = Logger.new($stderr, level: Logger::ERROR)
  config.cache_store = :redis_cache_store, { url: ENV["REDIS_URL"] }
  routes.append do
    get "/health", to: proc { [200, {}, ["ok"]] }
    resources :profiles, only: [:show, :update]
  end
end

Application.initialize!

class ApplicationRecord < ActiveRecord::Base
  self.abstract_class = true
  connects_to database: { writing: :primary, reading: :replica }
end

class Profile < ApplicationRecord
  after_commit { Rails.cache.delete("profile:#{id}") }
end

class ProfilesController < ActionController::API
  rescue_from(ActiveRecord::RecordNotFound) { head :not_found }

  def show
    attributes = Rails.cache.fetch("profile:#{params[:id]}", expires_in: 5.minutes) do
      ActiveRecord::Base.connected_to(role: :reading) { Profile.find(params[:id]).attributes }
    end
    render json: attributes
  end

  def update
    Profile.find(params[:id]).update!(name: params.require(:name))
    head :no_content
  end
end

run Application
